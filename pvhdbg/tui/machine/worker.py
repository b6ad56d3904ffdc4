"""What the one thread that owns gdb does: it takes requests, one after the other, and gives events."""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.errors import PvhdbgError, SymbolMissing, TargetError, UserError
from pvhdbg.live.debuggee import machine_facts
from pvhdbg.target.base import DIED
from pvhdbg.tui.events import events
from pvhdbg.tui.machine.requests import LINE, OURS, STEP, Requests
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Bytes, Run, StageMark, Title

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pvhdbg.boot.session.live import LiveSession
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.debuggee.debuggee import Debuggee, Position
    from pvhdbg.live.gdb.breakpoints import Line
    from pvhdbg.live.qemu.process import Qemu
    from pvhdbg.tui.machine.terminal import Terminal

    Emit = Callable[[events.Event], None]

_SEEN_WITHIN, _ENDS_WITHIN = 0.2, 3.0
_PROMPTED = re.compile(r" *>")


class Worker:
    """The watcher of the machine's session gives `terminal` back if we are killed.

    Every method but `serve` may be called from any thread and returns at once.
    """

    def __init__(self, title: Title, emit: Emit, terminal: Terminal | None = None) -> None:
        self.error: BaseException | None = None
        self.is_seen = threading.Event()
        """Set as soon as the first stop is on the screen: what is done then would keep it from there."""
        self._title = title
        self._emit = emit
        self._terminal = terminal
        self._requests = Requests(lambda waiting: emit(events.Queued(waiting)))
        self._debuggee: Debuggee | None = None
        self._asked: LiveSession | None = None
        self._image: ImageFacts | None = None
        self._asked_to_stop = self._is_lost = False

    def close(self) -> None:
        """End the machine, whatever it does."""
        self._requests.close()
        debuggee = self._debuggee
        if debuggee is not None and debuggee.is_ours:
            debuggee.machine.kill()
        elif debuggee is not None and self._requests.current is not None:
            debuggee.interrupt()

    @property
    def has_begun(self) -> bool:
        return self._debuggee is not None

    def keep_terminal(self, terminal: Terminal | None) -> None:
        """Who watches over us gives this terminal back if we are killed; null: it needs nothing."""
        self._terminal = terminal
        if self._debuggee is None:
            return
        watcher = self._debuggee.machine.watcher
        with suppress(OSError):  # somebody ended the watcher
            if terminal is None:
                watcher.forget_terminal()
            else:
                watcher.restore_terminal(terminal.path, terminal.settings)

    def interrupt(self) -> bool:
        """Ctrl-C: stop a running guest or the command that gdb is busy with, or end one that waits for more lines;
        what waits is not done. False if there was nothing of that.
        """
        dropped, debuggee, current = self._requests.drop(), self._debuggee, self._requests.current
        if self._requests.give_up():
            return True
        if debuggee is None or (not debuggee.machine.gdb.running and (current is None or current.kind == OURS)):
            return dropped
        self._asked_to_stop = True
        if debuggee.machine.gdb.running or current is None or current.kind == LINE:
            debuggee.interrupt()
        return True

    def serve(self, debuggee: Debuggee) -> None:
        """In the thread that owns gdb: do what is asked for, until `close`."""
        self._begin(debuggee)
        self._serve()

    def end(self, error: BaseException | None) -> None:
        """The machine is gone; `error` is why it never came, or what went wrong."""
        self.error = error
        self._emit(events.Left(error))

    def _begin(self, debuggee: Debuggee) -> None:
        self._debuggee = debuggee
        self.keep_terminal(self._terminal)
        debuggee.machine.gdb.on_change = self._changed
        self._tell_begun(debuggee)
        for remark in debuggee.remarks:
            self._emit(events.Printed(f"{remark}\n"))
        self._settle(debuggee.to_first_stop)
        self._load_symbols(debuggee)
        with suppress(PvhdbgError):  # `pvh …` works without: it is answered here
            debuggee.load_script()

    def _tell_begun(self, debuggee: Debuggee) -> None:
        self._image = debuggee.image
        facts = machine_facts.facts(debuggee.options, debuggee.machine.qemu.argv if debuggee.machine.qemu else ())
        self._emit(events.Began(self._title, debuggee.image, self._stage_marks(debuggee), debuggee.is_ours, facts))
        self._listen(debuggee)

    def _listen(self, debuggee: Debuggee) -> None:
        """Pass on what gdb prints and what the guest writes on its serial console."""
        debuggee.machine.gdb.on_text = self._print
        if debuggee.machine.qemu is None:
            return
        qemu, position = debuggee.machine.qemu, 0

        def take() -> None:
            nonlocal position
            data, position = qemu.serial.since(position)
            if data:
                self._emit(events.Wrote(data))

        qemu.serial.on_data = take
        qemu.serial.on_end = lambda: self._requests.put(OURS, lambda: self._look_after(qemu))

    def _look_after(self, qemu: Qemu) -> None:
        """That a QEMU ended is told at once; of one that a fresh one has replaced it is no news."""
        debuggee = self._ready_debuggee
        if debuggee.machine.qemu is qemu and qemu.death(_ENDS_WITHIN) is not None:
            self._settle(debuggee.position)

    def _look_after_gdb(self) -> None:
        """That gdb ended is told at once, unless who asked it for something has seen it."""
        if not self._is_lost:
            self._settle(self._ready_debuggee.position)

    def _print(self, text: str) -> None:
        """What gdb prints; its prompt for another line is ours to show."""
        if not _PROMPTED.fullmatch(text):
            self._emit(events.Printed(text))

    def _changed(self) -> None:
        """The machine ran or stopped: in the thread that reads from gdb."""
        debuggee = self._debuggee
        if debuggee is not None and debuggee.machine.gdb.exited:
            self._requests.put(OURS, self._look_after_gdb)
        if debuggee is None or not debuggee.machine.gdb.running:
            return
        self._emit(events.Ran(time.monotonic()))
        if self._asked_to_stop:
            debuggee.interrupt()

    def _serve(self) -> None:
        while (request := self._requests.next()) is not None:
            self._asked_to_stop = False
            self._emit(events.Busy(request.kind != OURS))
            try:
                request.do()
            except PvhdbgError as problem:
                self._say(problem)
            self._emit(events.Busy(busy=False))

    def next_stage(self) -> None:
        self._submit(lambda debuggee: debuggee.next_stage())

    def resume(self, verb: str) -> None:
        """`continue`, `next`, `step`, `finish` or `stepi`."""
        self._submit(lambda debuggee: debuggee.resume(verb))

    def restart(self) -> None:
        """The guest again from its first instruction, to its first stop, whatever it does."""
        self.interrupt()
        self._submit(self._restarted)

    def breakpoint(self, place: int | Line | None) -> None:
        """Set a hardware breakpoint at an address or a line of source, null for RIP; or delete the one there."""
        self._submit(lambda debuggee: debuggee.toggle_breakpoint(place))

    def line(self, line: str) -> None:
        """A line typed at the prompt: a command, or for the command that reads lines."""
        self._requests.put_line(line, self._next_line)

    def peek(self, wanted: Callable[[Debuggee], Bytes]) -> None:
        """Read memory for the bytes view."""
        self._requests.put(OURS, lambda: self._emit(events.Peeked(wanted(self._ready_debuggee))))

    def complete(self, text: str, answer: Callable[[list[str]], None]) -> None:
        """What `text` may become; `answer` is called in this thread."""
        from pvhdbg.live.gdb import console

        def ask() -> None:
            try:
                answer(console.complete(self._ready_debuggee.machine.gdb, text))
            except TargetError:
                answer([])

        self._requests.put(OURS, ask)

    def symbol(self, name: str) -> int:
        """:raise SymbolMissing: if there is none of that name."""
        if self._debuggee is None or self._debuggee.symbols is None:
            raise SymbolMissing(name)
        return self._debuggee.symbols.address(name)

    @property
    def _ready_debuggee(self) -> Debuggee:
        if self._debuggee is None:
            raise UserError("there is no machine yet")
        return self._debuggee

    def _submit(self, step: Callable[[Debuggee], Position]) -> None:
        self._requests.put(STEP, lambda: self._settle(lambda: step(self._ready_debuggee)))

    def _restarted(self, debuggee: Debuggee, stage: str | None = None) -> Position:
        debuggee.restart()
        self._tell_begun(debuggee)
        return debuggee.to_stage(stage) if stage else debuggee.to_first_stop()

    def _next_line(self) -> None:
        line = self._requests.take_line()
        if line is not None:
            self._emit(events.Printed(f"(gdb) {line}\n"))
            self._settle(lambda: self._command(self._ready_debuggee, line))

    def _command(self, debuggee: Debuggee, line: str) -> Position:
        from pvhdbg import commands
        from pvhdbg.live.gdb import console

        meaning = console.classify(line)
        if meaning == console.QUIT:
            self._requests.close()
        elif meaning in (console.RESTART, console.TO_ENTRY):
            return self._restarted(debuggee, "entry" if meaning == console.TO_ENTRY else None)
        elif meaning == console.KILL:
            debuggee.kill()
        elif (question := console.pvh_command(line, commands.COMMANDS)) is not None:
            self._answer(debuggee, question)
        else:
            return debuggee.console(line, self._more)
        return debuggee.position()

    def _answer(self, debuggee: Debuggee, question: str) -> None:
        """`pvh …`, which gdb knows too: asked of our own history, it knows all that was captured."""
        from pvhdbg import commands
        from pvhdbg.live.debuggee import session as asked

        session, before = self._asked, self._asked
        if session is None or session.journey is not debuggee.journey:
            session = self._asked = asked.session(debuggee)
            session.open(before.opened.document() if before and before.opened else None)
        try:
            self._print(f"{commands.run(session, question)}\n")
        except PvhdbgError as problem:
            problem.hint = commands.prefixed(problem.hint)
            raise

    def _more(self) -> str | None:
        """The next line that a command reads. Once it is given up there is none, though gdb asks until it sees that."""
        if self._asked_to_stop:
            return None
        line = self._requests.read_line(lambda waits: self._emit(events.Prompted(waits)))
        self._asked_to_stop = line is None
        if line is not None:
            self._emit(events.Printed(f"> {line}\n"))
        return line

    def _settle(self, step: Callable[[], Position]) -> None:
        """Let the machine run, and show where it stands then, also if that failed."""
        if self._is_lost:
            self._emit(events.Said("there is no gdb any more", "Ctrl-Q, and start pvhdbg again"))
            return
        try:
            position = self._tried(step)
        except PvhdbgError as problem:
            self._is_lost = self._ready_debuggee.machine.gdb.exited
            self._emit(events.Lost(str(problem)))
            return
        for news in self._ready_debuggee.journey.take_news():
            self._emit(events.Said(news))
        if position.remark:
            self._emit(events.Said(position.remark))
        self._show(position)

    def _tried(self, step: Callable[[], Position]) -> Position:
        try:
            return step()
        except PvhdbgError as problem:
            self._say(problem)
            return self._ready_debuggee.position()

    def _show(self, at: Position) -> None:
        """Where it stands, and then the code there, which takes longer to find."""
        from pvhdbg.live.debuggee import code

        debuggee = self._ready_debuggee
        marks = self._stage_marks(debuggee, at.stage)
        if debuggee.image is not self._image:
            self._image = debuggee.image
            self._emit(events.Known(debuggee.image))
            self._emit(events.SymbolsAre(state.LOADED if debuggee.has_symbols else state.NO_SYMBOLS))
        self._emit(events.Stopped(_run(at), at.capture, tuple(debuggee.journey.history), marks))
        self.is_seen.wait(_SEEN_WITHIN)
        here = code.at_rip(debuggee, at.capture.cpu_mode)
        self._emit(events.Coded(here, {**debuggee.passed(), **({at.stage: here} if at.stage else {})}))

    def _stage_marks(self, debuggee: Debuggee, here: str | None = None) -> tuple[StageMark, ...]:
        passed = {each.stage for each in debuggee.journey.history}
        lacking = dict.fromkeys(debuggee.journey.passed, stages.MISSED) | debuggee.lacking()
        return tuple(_mark(name, here, passed, lacking) for name in stages.NAMES)

    def _load_symbols(self, debuggee: Debuggee) -> None:
        """After the first picture: it takes gdb a second."""
        if not debuggee.symbols:
            return
        self._emit(events.SymbolsAre(state.LOADING))
        try:
            debuggee.load_symbols()
        except TargetError as problem:
            if not debuggee.machine.gdb.exited:  # else it is said where it is settled
                self._say(problem)
        self._emit(events.SymbolsAre(state.LOADED if debuggee.has_symbols else state.NO_SYMBOLS))
        self._settle(debuggee.position)

    def _say(self, problem: PvhdbgError) -> None:
        self._emit(events.Said(str(problem), problem.hint))


def _run(at: Position) -> Run:
    halt = at.halt
    if halt.kind == DIED:
        return Run(state.DEAD, halt.how or "", 0.0, halt.message or halt.how or "", halt.rip, at.symbol)
    return Run(state.STOPPED, at.stage or halt.message, 0.0, "", halt.rip, at.symbol)


def _mark(name: str, here: str | None, passed: Collection[str], lacking: Mapping[str, str]) -> StageMark:
    if name in lacking:
        return StageMark(name, state.MISSED if lacking[name] == stages.MISSED else state.LACKING, lacking[name])
    status = state.HERE if name == here else state.PASSED if name in passed else state.AHEAD
    return StageMark(name, status)
