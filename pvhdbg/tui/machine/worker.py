"""The work of the thread that owns gdb: it runs requests one by one, and emits events for the screen."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.errors import PvhdbgError, SymbolMissing, TargetError, UserError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.live.debuggee import machine_facts
from pvhdbg.tui.events import events
from pvhdbg.tui.machine import first_stop, stage_marks, stop_events
from pvhdbg.tui.machine.idle_time import IdleTime
from pvhdbg.tui.machine.requests import INTERNAL, LINE, STEP, Requests
from pvhdbg.tui.machine.typed_line import TypedLine
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Bytes, Title

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.debuggee.debuggee import Debuggee, Position
    from pvhdbg.live.gdb.breakpoints import Line
    from pvhdbg.live.qemu.process import Qemu
    from pvhdbg.tui.machine.terminal import Terminal

    Emit = Callable[[events.Event], None]

_SHOWN_TIMEOUT, _EXIT_TIMEOUT = 0.2, 3.0
_SECONDARY_PROMPT = pattern(r" *>")


class Worker:
    """Owns the machine's gdb. `emit` gets the events, and the watcher restores `terminal` if pvhdbg is killed.

    The machine's thread calls `serve` and `end`. The other methods may be called from any thread and return at once.
    """

    def __init__(self, title: Title, emit: Emit, terminal: Terminal | None = None) -> None:
        self.error: BaseException | None = None
        self.first_stop_shown = threading.Event()
        """Set when the first stop is on the screen. Slow work waits for it, so that it does not delay the screen."""
        self._title = title
        self._emit = emit
        self._terminal = terminal
        self._requests = Requests(lambda waiting, first: emit(events.QueueLength(waiting, first)))
        self._debuggee: Debuggee | None = None
        self._image: ImageFacts | None = None
        self._qemu: Qemu | None = None
        self._times_back = 0
        self._idle_time = IdleTime(emit)
        self._typed_line = TypedLine(self._requests.close, self.boot_to, self._run_on, self._read_line, self._print)
        self._stop_requested = self._is_lost = self._runs_on = False

    def close(self) -> None:
        """End the machine, even while it runs. An attached machine is only interrupted, so that pvhdbg can detach."""
        self._requests.close()
        debuggee = self._debuggee
        if debuggee is not None and debuggee.is_own_machine:
            if (stop_observing := debuggee.stop_observing) is not None:
                stop_observing()
            debuggee.machine.kill()
        elif debuggee is not None and self._requests.current is not None:
            debuggee.interrupt()

    @property
    def has_machine(self) -> bool:
        return self._debuggee is not None

    def protect_terminal(self, terminal: Terminal | None) -> None:
        """Have the watcher restore this terminal if pvhdbg is killed. None: leave the terminal alone."""
        self._terminal = terminal
        if self._debuggee is None:
            return
        with suppress(OSError):  # the watcher was killed
            watcher = self._debuggee.machine.watcher
            watcher.restore_terminal(*terminal) if terminal else watcher.forget_terminal()

    def interrupt(self) -> bool:
        """Do what Ctrl-C does: stop the running guest or the command that gdb is busy with, or cancel a command that
        waits for more lines. Queued requests are dropped and listed. Return False if there was nothing to stop or drop.
        """
        dropped, debuggee, current = self._requests.drop(), self._debuggee, self._requests.current
        if dropped:
            self._emit(events.Message(f"dropped without being run: {', '.join(dropped)}"))
        if self._requests.cancel_reading():
            return True
        if debuggee is None or (not debuggee.is_running and (current is None or current.kind == INTERNAL)):
            return bool(dropped)
        self._stop_requested = True
        if debuggee.is_running or current is None or current.kind == LINE:
            debuggee.interrupt()
        return True

    def serve(self, debuggee: Debuggee) -> None:
        """Run requests until `close`. The calling thread owns gdb."""
        self._begin(debuggee)
        self._serve()

    def end(self, error: BaseException | None) -> None:
        """Report the machine's end. `error` is why it did not start or what went wrong; None if nothing went wrong."""
        self.error = error
        self._emit(events.ThreadEnded(error))

    def _begin(self, debuggee: Debuggee) -> None:
        self._debuggee = debuggee
        self.protect_terminal(self._terminal)
        if debuggee.machine.is_with_gdb:
            self._listen_to_gdb(debuggee)
        self._emit_machine_started(debuggee)
        for remark in debuggee.remarks:
            self._emit(events.GdbOutput(f"{remark}\n"))
        if not debuggee.machine.is_with_gdb:
            self._emit(events.GuestRuns(time.monotonic()))
        self._run_and_show(first_stop.reach(debuggee))
        self._take_over(debuggee)
        self._load_symbols(debuggee)
        with suppress(PvhdbgError):  # `pvh …` works without the script: pvhdbg answers it itself
            debuggee.load_script()

    def _take_over(self, debuggee: Debuggee) -> None:
        """Let gdb take the machine over from QEMU's stub, unless gdb has it already. Requests wait until then."""
        if debuggee.machine.is_with_gdb:
            return
        self._emit(events.GdbBusy(busy=True))
        if debuggee.symbols:
            self._emit(events.SymbolsChanged(state.LOADING, time.monotonic()))
        debuggee.take_over()
        self._listen_to_gdb(debuggee)
        self._emit(events.GdbBusy(busy=False))

    def _listen_to_gdb(self, debuggee: Debuggee) -> None:
        debuggee.machine.gdb.on_change = self._on_run_state_change
        debuggee.machine.gdb.on_text = self._print

    def _emit_machine_started(self, debuggee: Debuggee) -> None:
        self._image, self._qemu, self._times_back = debuggee.image, debuggee.machine.qemu, debuggee.times_back
        facts = machine_facts.from_options(debuggee.options, debuggee.machine)
        marks = stage_marks.of(debuggee)
        self._emit(events.MachineStarted(self._title, debuggee.image, marks, debuggee.is_own_machine, facts))
        self._listen(debuggee)

    def _listen(self, debuggee: Debuggee) -> None:
        """Emit the guest's serial output and QEMU's exit as events."""
        if (qemu := debuggee.machine.qemu) is not None:
            stop_events.follow_serial(qemu.serial, self._emit)
            qemu.serial.on_end = lambda: self._requests.put(INTERNAL, lambda: self._report_qemu_exit(qemu))

    def _report_qemu_exit(self, qemu: Qemu) -> None:
        """Report QEMU's exit at once, unless this QEMU was already replaced."""
        debuggee = self._ready_debuggee
        if debuggee.machine.qemu is qemu and qemu.death(_EXIT_TIMEOUT) is not None:
            self._run_and_show(debuggee.position)

    def _report_gdb_exit(self) -> None:
        """Report gdb's exit at once, unless a request that needed gdb has already reported it."""
        if not self._is_lost:
            self._run_and_show(self._ready_debuggee.position)

    def _print(self, text: str) -> None:
        """Emit gdb's output, except its prompt for another line: the TUI shows its own."""
        if not _SECONDARY_PROMPT.fullmatch(text):
            self._emit(events.GdbOutput(text))

    def _on_run_state_change(self) -> None:
        """Report that the guest runs, or gdb's exit. The thread that reads from gdb calls this."""
        debuggee = self._debuggee
        if debuggee is not None and debuggee.machine.gdb.exited:
            self._requests.put(INTERNAL, self._report_gdb_exit)
        if debuggee is None or not debuggee.is_running:
            return
        self._emit(events.GuestRuns(time.monotonic()))
        if self._stop_requested:
            debuggee.interrupt()

    def _serve(self) -> None:
        self._use_idle_time()
        while (request := self._requests.next()) is not None:
            self._stop_requested = False
            self._emit(events.GdbBusy(request.kind != INTERNAL, since=time.monotonic()))
            try:
                request.action()
            except PvhdbgError as error:
                self._report(error)
            self._emit(events.GdbBusy(busy=False))
            self._use_idle_time()

    def _use_idle_time(self) -> None:
        """Take a snapshot of this stop if no request comes for a while."""
        if not self._is_lost and self._requests.stays_empty(self._idle_time.seconds):
            with suppress(PvhdbgError):  # gdb or QEMU may be gone: the next request reports that
                self._idle_time.use(self._ready_debuggee.keep_snapshot)

    def next_stage(self) -> None:
        self._leave_here()
        self.submit("F6", lambda debuggee: debuggee.next_stage())

    def back(self) -> None:
        """Go back to the last captured stage before here."""
        self._go_back("F8", lambda debuggee: debuggee.back(None))

    def step_back(self) -> None:
        """Go back by one instruction."""
        self._go_back("F7", lambda debuggee: debuggee.step_back())

    def _go_back(self, key: str, step: Callable[[Debuggee], Position]) -> None:
        """Go back. Interrupt a running guest first; if there is no way back, resume it."""
        ran_on = self._leave_here()
        self.submit(key, lambda debuggee: self._back_or_on(debuggee, step) if ran_on else step(debuggee))

    def _back_or_on(self, debuggee: Debuggee, step: Callable[[Debuggee], Position]) -> Position:
        try:
            return step(debuggee)
        except UserError as error:  # refused before anything was done
            self._emit(events.Message(f"{error}; the guest runs on", error.hint))
            return self._run_on(lambda: debuggee.resume("continue"))

    def _leave_here(self) -> bool:
        """Interrupt the guest if it was resumed to run on, because it may run forever, and a request would wait.

        Return whether the guest was interrupted.
        """
        runs_on = self._runs_on and self._debuggee is not None and self._debuggee.is_running
        return runs_on and self.interrupt()

    def _run_on(self, step: Callable[[], Position]) -> Position:
        """Run a step that may let the guest run forever."""
        self._runs_on = True
        try:
            return step()
        finally:
            self._runs_on = False

    def resume(self, verb: str) -> None:
        """Resume the guest by `continue`, `next`, `step`, `finish` or `stepi`."""
        self.submit(verb, lambda debuggee: self._run_on(lambda: debuggee.resume(verb)))

    def restart(self) -> None:
        """Start the guest afresh and run it to its first stop, even if it runs now."""
        self.interrupt()
        self.submit("restart", self.boot_to)

    def breakpoint(self, place: int | Line | None) -> None:
        """Set a hardware breakpoint at an address or a source line (None: at RIP), or delete the breakpoint there."""
        self.submit("F9", lambda debuggee: debuggee.toggle_breakpoint(place))

    def line(self, line: str) -> None:
        """Queue a line typed at the prompt: a command, or input for a multi-line command.

        A command that takes the guest elsewhere interrupts a guest that runs on.
        """
        from pvhdbg.live.gdb import console

        if console.leaves_here(line):
            self._leave_here()
        self._requests.put_line(line, self._run_next_line)

    def read_memory(self, read: Callable[[Debuggee], Bytes]) -> None:
        """Read memory for the bytes view by calling `read`."""
        self._requests.put(INTERNAL, lambda: self._emit(events.MemoryRead(read(self._ready_debuggee))))

    def complete(self, text: str, answer: Callable[[list[str]], None]) -> None:
        """Ask gdb for the completions of `text`. The machine's thread calls `answer`."""
        from pvhdbg.live.gdb import console

        def ask() -> None:
            try:
                answer(console.complete(self._ready_debuggee.machine.gdb, text))
            except TargetError:
                answer([])

        self._requests.put(INTERNAL, ask)

    def symbol(self, name: str) -> int:
        """Return a symbol's address in the kernel in memory.

        :raise SymbolMissing: if the kernel has no symbol of that name.
        """
        if self._debuggee is None or self._debuggee.symbols is None:
            raise SymbolMissing(name)
        return self._debuggee.journey.target.symbol(name)

    @property
    def _ready_debuggee(self) -> Debuggee:
        if self._debuggee is None:
            raise UserError("the machine has not started yet")
        return self._debuggee

    def submit(self, name: str, step: Callable[[Debuggee], Position]) -> None:
        self._requests.put(STEP, lambda: self._run_and_show(lambda: step(self._ready_debuggee)), name)

    def boot_to(self, debuggee: Debuggee, stage: str | None = None) -> Position:
        debuggee.restart()
        self._emit_machine_started(debuggee)
        return debuggee.to_stage(stage) if stage else debuggee.to_first_stop()

    def _run_next_line(self) -> None:
        line = self._requests.take_line()
        if line is not None:
            self._emit(events.GdbOutput(f"(gdb) {line}\n"))
            self._run_and_show(lambda: self._typed_line.run(self._ready_debuggee, line))

    def _read_line(self) -> str | None:
        """Return the next line of a multi-line command, or None once the user has canceled the command.

        gdb may ask again before it notices the cancellation.
        """
        if self._stop_requested:
            return None
        line = self._requests.read_line(lambda waiting: self._emit(events.LinesWanted(waiting)))
        self._stop_requested = line is None
        if line is not None:
            self._emit(events.GdbOutput(f"> {line}\n"))
        return line

    def _run_and_show(self, step: Callable[[], Position]) -> None:
        """Run a step and show the machine's new position. If the step fails, show the error and the position."""
        if self._is_lost:
            self._emit(events.Message("gdb has exited", "press Ctrl-Q and restart pvhdbg"))
            return
        try:
            position = self._position_after(step)
        except PvhdbgError as error:
            self._is_lost = self._ready_debuggee.machine.gdb.exited
            self._emit(events.MachineLost(str(error)))
            return
        self._follow_back(self._ready_debuggee)
        for news in self._ready_debuggee.journey.take_news():
            self._emit(events.Message(news))
        if position.remark:
            self._emit(events.Message(position.remark))
        self._show(position)

    def _follow_back(self, debuggee: Debuggee) -> None:
        """If the machine went back, show its serial output up to there. If a new QEMU was needed, start over."""
        if debuggee.machine.qemu is not self._qemu:
            self._emit_machine_started(debuggee)
        elif debuggee.times_back != self._times_back:
            self._times_back = debuggee.times_back
            if self._qemu is not None:
                self._emit(events.SerialRewound(self._qemu.serial.text()))
            self._listen(debuggee)

    def _position_after(self, step: Callable[[], Position]) -> Position:
        try:
            return step()
        except PvhdbgError as error:
            self._report(error)
            return self._ready_debuggee.position()

    def _show(self, position: Position) -> None:
        """Emit the machine's position, and then the code there and the kernel's log, which take longer to find."""
        debuggee = self._ready_debuggee
        marks = stage_marks.of(debuggee, position.stage)
        if debuggee.image is not self._image:
            self._image = debuggee.image
            self._emit(events.KernelIdentified(debuggee.image))
            self._emit(events.SymbolsChanged(state.LOADED if debuggee.has_symbols else state.NO_SYMBOLS))
        self._emit(stop_events.stopped(debuggee, position, marks))
        debuggee.save_lookups()
        self.first_stop_shown.wait(_SHOWN_TIMEOUT)
        self._take_over(debuggee)
        for event in stop_events.after_stop(debuggee, position):
            self._emit(event)

    def _load_symbols(self, debuggee: Debuggee) -> None:
        """Let gdb read the kernel's symbols. This takes a second, so it comes after the first screen."""
        if not debuggee.symbols:
            return
        self._emit(events.SymbolsChanged(state.LOADING, time.monotonic()))
        try:
            debuggee.load_symbols()
        except TargetError as error:
            if not debuggee.machine.gdb.exited:  # gdb's exit is reported below
                self._report(error)
        self._emit(events.SymbolsChanged(state.LOADED if debuggee.has_symbols else state.NO_SYMBOLS))
        self._run_and_show(debuggee.position)

    def _report(self, error: PvhdbgError) -> None:
        self._emit(events.Message(str(error), error.hint))
