"""The TUI's front door: a live machine or a recording, until the user quits."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from pvhdbg.live.signals import as_exits
from pvhdbg.tui import terminal
from pvhdbg.tui.events import Began, Left
from pvhdbg.tui.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.boot.document import Document
    from pvhdbg.tui.events import Event
    from pvhdbg.tui.state import Screen, StageMark, Title
    from pvhdbg.tui.worker import Launch

FIRST_STOP = "prepare"


class Inbox:
    """Events that come before there is a screen, and their way to it afterwards. Any thread may put one in."""

    def __init__(self) -> None:
        self._kept: deque[Event] = deque()
        self._emit: Callable[[Event], None] | None = None
        self._changing = threading.Lock()
        self._begun = threading.Event()

    def take(self, event: Event) -> None:
        with self._changing:
            if self._emit is None:
                self._kept.append(event)
            else:
                self._emit(event)
        if isinstance(event, Began | Left):
            self._begun.set()

    def wait_begun(self) -> None:
        """Until there is a machine, or there will be none."""
        self._begun.wait()

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
            _show(inbox, worker, title, ours, ascii=ascii)
        finally:
            worker.close()
            worker.join()


def _show(inbox: Inbox, worker: Worker, title: Title, ours: terminal.Terminal | None, *, ascii: bool) -> None:  # noqa: A002
    # The machine starts in its thread; prompt_toolkit is imported meanwhile.
    from pvhdbg.tui.app import Tui
    from pvhdbg.tui.state import Screen

    tui = Tui(Screen(title, ascii=ascii), worker, terminal=ours)
    inbox.wait_begun()
    if worker.error is not None:
        raise worker.error
    inbox.open(tui.emit)
    try:
        tui.run()
    finally:
        worker.keep_terminal(None)


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
