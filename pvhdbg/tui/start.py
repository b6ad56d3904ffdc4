"""The TUI's front door: a live machine or a recording, until the user quits."""

from __future__ import annotations

import queue
import signal
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.errors import PvhdbgError
from pvhdbg.live.signals import as_exits
from pvhdbg.tui import terminal
from pvhdbg.tui.events import Began, Left
from pvhdbg.tui.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pvhdbg.boot.document import Document
    from pvhdbg.tui.app import Tui
    from pvhdbg.tui.events import Event
    from pvhdbg.tui.state import Screen, StageMark, Title
    from pvhdbg.tui.worker import Launch

FIRST_STOP = "prepare"
ENDING = (signal.SIGTERM, signal.SIGHUP)


class Inbox:
    """Events that come before there is a screen, and their way to it afterwards. Any thread may put one in."""

    def __init__(self) -> None:
        self._kept: deque[Event] = deque()
        self._emit: Callable[[Event], None] | None = None
        self._changing = threading.Lock()
        # Nothing else can be told by a signal handler to the thread that it interrupts.
        self._begun: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def take(self, event: Event) -> None:
        with self._changing:
            if self._emit is None:
                self._kept.append(event)
            else:
                self._emit(event)
        if isinstance(event, Began | Left):
            self._begun.put(event.error if isinstance(event, Left) else None)

    def give_up(self, error: BaseException) -> None:
        """Nobody waits for a machine any more."""
        self._begun.put(error)

    def wait_begun(self) -> None:
        """Until there is a machine.

        :raise BaseException: why there will be none.
        """
        error = self._begun.get()
        if error is not None:
            raise error

    def open(self, emit: Callable[[Event], None]) -> None:
        with self._changing:
            self._emit = emit
            for event in self._kept:
                emit(event)


def live(launch: Launch, title: Title, *, ascii: bool = False) -> None:  # noqa: A002  the option's name
    """A machine on the screen, which is not touched before there is one.

    :raise PvhdbgError: if it can't start.
    """
    inbox = Inbox()
    ours = terminal.ours()
    worker = Worker(launch, title, inbox.take, ours)
    with as_exits():
        worker.start()
        try:
            tui = _begun(inbox, worker, title, ours, ascii=ascii)
            tui.run()
        finally:
            worker.keep_terminal(None)
            worker.close()
            worker.join()
    if worker.error is not None and not isinstance(worker.error, PvhdbgError):
        raise worker.error  # a bug on the way out


def _begun(inbox: Inbox, worker: Worker, title: Title, ours: terminal.Terminal | None, *, ascii: bool) -> Tui:  # noqa: A002
    """The screen, as soon as there is a machine to show: it starts in its thread, and our imports go on meanwhile."""
    with _signals_end(inbox):
        from pvhdbg.tui.app import Tui
        from pvhdbg.tui.state import Screen

        tui = Tui(Screen(title, ascii=ascii), worker, terminal=ours)
        inbox.wait_begun()
    inbox.open(tui.emit)
    return tui


@contextmanager
def _signals_end(inbox: Inbox) -> Iterator[None]:
    """Within, a signal ends the wait, and nothing else: an exception out of nowhere can be lost in an import."""
    errors: dict[int, BaseException] = {each: SystemExit(128 + each) for each in ENDING}
    errors[signal.SIGINT] = KeyboardInterrupt()
    ours = {each: error for each, error in errors.items() if signal.getsignal(each) != signal.SIG_IGN}
    before = {each: signal.signal(each, lambda number, _: inbox.give_up(errors[number])) for each in ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def recorded(document: Document, name: str, *, ascii: bool = False) -> None:  # noqa: A002
    """A recording on the screen: its stages are browsed, nothing runs. Its prompt takes the commands of the table.

    `name` is the file's.
    """
    from pvhdbg import commands
    from pvhdbg.boot.sessions import Recorded
    from pvhdbg.tui.app import Tui

    session = Recorded(document)
    with as_exits():
        Tui(screen_of(document, name, ascii=ascii), answer=lambda line: commands.run(session, line)).run()


def screen_of(document: Document, name: str, *, ascii: bool = False) -> Screen:  # noqa: A002
    """Where a session would begin, at `prepare`, the other stops beside it; of a boot that failed, its end."""
    from pvhdbg.tui import state
    from pvhdbg.tui.state import Run, Screen, Title
    from pvhdbg.tui.update import looking

    last, machine, died = document.stops[-1] if document.stops else None, document.machine, document.outcome.died
    seen = Screen(
        Title(name, " ".join(filter(None, (machine.machine, machine.accel, machine.memory)))),
        Run(state.RECORDING, f"died: {died.how}" if died else document.outcome.ended, rip=last.rip if last else None),
        _marks(document),
        document.stops,
        last,
        image=document.kernel,
        focus=state.VIEW,
        view=state.FINDINGS if died else state.START_INFO,
        ascii=ascii,
        machine=machine,
        outcome=document.outcome,
    )
    return looking(seen, None if died else _first(document))


def _first(document: Document) -> int | None:
    """Null for the last stop."""
    names = [each.stage for each in document.stops]
    at = names.index(FIRST_STOP) if FIRST_STOP in names else 0
    return at if at < len(names) - 1 else None


def _marks(document: Document) -> tuple[StageMark, ...]:
    from pvhdbg.boot import stages
    from pvhdbg.tui import state

    seen = [each.stage for each in document.stops]
    status = {name: state.HERE if name == seen[-1] else state.PASSED for name in seen}
    return tuple(
        state.StageMark(name, status[name]) if name in status else state.StageMark(name, state.LACKING, "not recorded")
        for name in stages.NAMES
    )
