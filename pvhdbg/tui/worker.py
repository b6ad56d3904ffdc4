"""The one thread that owns gdb. It takes requests, one after the other, and gives events."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

from pvhdbg.boot import stages
from pvhdbg.errors import PvhdbgError, TargetError, UserError
from pvhdbg.live import code, console
from pvhdbg.target.base import DIED
from pvhdbg.tui import events, state
from pvhdbg.tui.state import Bytes, Run, StageMark, Title

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from contextlib import AbstractContextManager

    from pvhdbg.live.bench import Bench, Position

    Launch = Callable[[], AbstractContextManager[Bench]]
    Emit = Callable[[events.Event], None]
    Request = Callable[[], None]

class Worker:
    """`launch` gives the machine when entered, and ends it when left; both happen in this thread.

    Every method but `run` may be called from any thread and returns at once.
    """

    def __init__(self, launch: Launch, title: Title, emit: Emit) -> None:
        self._launch = launch
        self._title = title
        self._emit = emit
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._waiting = 0
        self._counting = threading.Lock()
        self._bench: Bench | None = None
        self._thread = threading.Thread(target=self.run, name="pvhdbg-machine")

    def start(self) -> None:
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Do this after what was asked for before."""
        self._count(1)
        self._requests.put(request)

    def close(self) -> None:
        """End the machine, whatever it does; then Left comes."""
        self._requests.put(None)
        self._lines.put(None)
        self.interrupt()

    def join(self) -> None:
        self._thread.join()

    def interrupt(self) -> None:
        """Stop a running guest, or a command that keeps gdb busy."""
        bench = self._bench
        if bench is None:
            return
        if bench.session.gdb.running:
            bench.session.runner.interrupt()
        elif self._busy:
            bench.session.gdb.process.interrupt()

    @property
    def _busy(self) -> bool:
        return self._waiting > 0

    def _count(self, change: int) -> None:
        with self._counting:
            self._waiting += change
        # The one that is being done does not wait.
        self._emit(events.Queued(max(self._waiting - 1, 0)))

    def run(self) -> None:
        """The thread's whole life."""
        error: BaseException | None = None
        try:
            with self._launch() as bench:
                self._begin(bench)
                self._serve()
        except BaseException as problem:  # noqa: BLE001  raised again by whoever gets Left
            error = problem
        self._emit(events.Left(error))

    def _begin(self, bench: Bench) -> None:
        self._bench = bench
        self._listen()
        self._emit(events.Began(self._title, bench.image, self._stage_marks(bench)))
        for remark in bench.remarks:
            self._emit(events.Said(remark))
        self._settle(bench.to_first_stop)
        self.submit(self._load_symbols)

    def next_stage(self) -> None:
        self._submit_step(lambda bench: bench.next_stage())

    def resume(self, verb: str) -> None:
        """`continue`, `next`, `step`, `finish` or `stepi`."""
        self._submit_step(lambda bench: bench.resume(verb))

    def restart(self) -> None:
        """The guest again from its first instruction, to its first stop."""

        def again(bench: Bench) -> Position:
            bench.restart()
            self._listen()
            return bench.to_first_stop()

        self._submit_step(again)

    def breakpoint(self, address: int | None) -> None:
        """Set a hardware breakpoint at an address, null for RIP; or delete the one that is there."""
        self._submit_step(lambda bench: bench.toggle_breakpoint(address))

    def command(self, line: str) -> None:
        """A line typed at the prompt."""
        self._submit_step(lambda bench: self._command(bench, line))

    def more(self, line: str | None) -> None:
        """A further line of the command that Prompted asked for; null gives it up."""
        self._lines.put(line)

    def peek(self, wanted: Callable[[Bench], Bytes]) -> None:
        """Read memory for the bytes view."""
        self.submit(lambda: self._emit(events.Peeked(wanted(self._machine))))

    def complete(self, text: str, answer: Callable[[list[str]], None]) -> None:
        """What `text` may become; `answer` is called in this thread. Nothing while the guest runs."""

        def ask() -> None:
            try:
                answer(console.complete(self._machine.session.gdb, text))
            except TargetError:
                answer([])

        self.submit(ask)

    @property
    def _machine(self) -> Bench:
        if self._bench is None:
            raise UserError("there is no machine yet")
        return self._bench

    def _submit_step(self, step: Callable[[Bench], Position]) -> None:
        self.submit(lambda: self._settle(lambda: step(self._machine)))

    def _command(self, bench: Bench, line: str) -> Position:
        meaning = console.meaning(line)
        if meaning == console.RESTART:
            bench.restart()
            self._listen()
            return bench.to_first_stop()
        if meaning == console.KILL and bench.session.qemu is not None:
            bench.session.qemu.kill()
            return bench.position()
        return bench.console(line, self._more)

    def _more(self) -> str | None:
        self._emit(events.Prompted(more=True))
        line = self._lines.get()
        self._emit(events.Prompted(more=False))
        return line

    def _settle(self, step: Callable[[], Position]) -> None:
        """Let the machine run, and show where it stands then, also if that failed."""
        self._emit(events.Ran(time.monotonic()))
        try:
            position = step()
        except PvhdbgError as problem:
            self._say(problem)
            position = self._machine.position()
        self._emit(self._stopped(position))

    def _stopped(self, at: Position) -> events.Stopped:
        bench = self._machine
        history = tuple(bench.journey.history)
        marks = self._stage_marks(bench, at.stage)
        return events.Stopped(_run(at), at.capture, history, marks, code.at_rip(bench, at.capture.cpu_mode))

    def _stage_marks(self, bench: Bench, here: str | None = None) -> tuple[StageMark, ...]:
        passed = {each.stage for each in bench.journey.history}
        lacking = bench.lacking()
        return tuple(_mark(name, here, passed, lacking) for name in stages.NAMES)

    def _listen(self) -> None:
        """Pass on what the guest writes on its serial console."""
        qemu = self._machine.session.qemu
        if qemu is None:
            return
        position = 0

        def take() -> None:
            nonlocal position
            data, position = qemu.serial.since(position)
            if data:
                self._emit(events.Wrote(data))

        qemu.serial.on_data = take
        self._machine.session.gdb.on_text = lambda text: self._emit(events.Printed(text))

    def _load_symbols(self) -> None:
        """After the first picture: it takes gdb a second."""
        if not self._machine.symbols:
            return
        self._emit(events.SymbolsAre(state.LOADING))
        try:
            self._machine.load_symbols()
        except TargetError as problem:
            self._say(problem)
            self._emit(events.SymbolsAre(state.NO_SYMBOLS))
            return
        self._emit(events.SymbolsAre(state.LOADED))
        self._emit(self._stopped(self._machine.position()))

    def _serve(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                request()
            except PvhdbgError as problem:
                self._say(problem)
            self._count(-1)

    def _say(self, problem: PvhdbgError) -> None:
        self._emit(events.Said(str(problem), problem.hint))


def _run(at: Position) -> Run:
    halt = at.halt
    if halt.kind == DIED:
        return Run(state.DEAD, halt.how or "", 0.0, halt.message, halt.rip, at.symbol)
    return Run(state.STOPPED, at.stage or halt.message or "", 0.0, "", halt.rip, at.symbol)


def _mark(name: str, here: str | None, passed: Collection[str], lacking: Mapping[str, str]) -> StageMark:
    if name in lacking:
        return StageMark(name, state.LACKING, lacking[name])
    status = state.HERE if name == here else state.PASSED if name in passed else state.AHEAD
    return StageMark(name, status)
