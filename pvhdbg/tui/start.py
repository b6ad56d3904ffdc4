"""The TUI's front door: a live machine or a recording, until the user quits."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pvhdbg.boot import stages
from pvhdbg.tui import state
from pvhdbg.tui.events import Left
from pvhdbg.tui.state import Run, Screen, StageMark
from pvhdbg.tui.update import compared
from pvhdbg.tui.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.boot.document import Document
    from pvhdbg.tui.events import Event
    from pvhdbg.tui.state import Title
    from pvhdbg.tui.worker import Launch


class Inbox:
    """Events that come before there is a screen, and their way to it afterwards. Any thread may put one in."""

    def __init__(self) -> None:
        self._kept: deque[Event] = deque()
        self._emit: Callable[[Event], None] | None = None

    def take(self, event: Event) -> None:
        if self._emit is None:
            self._kept.append(event)
        else:
            self._emit(event)

    def open(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        while self._kept:
            emit(self._kept.popleft())

    def failed(self) -> BaseException | None:
        """Why the machine ended before the screen began."""
        ends = [each.error for each in self._kept if isinstance(each, Left)]
        return ends[0] if ends else None


def live(launch: Launch, title: Title, *, ascii: bool = False) -> None:  # noqa: A002  the option's name
    """A machine on the screen.

    :raise PvhdbgError: if it can't start.
    """
    inbox = Inbox()
    worker = Worker(launch, title, inbox.take)
    worker.start()
    try:
        # The machine starts in its thread; prompt_toolkit is imported meanwhile.
        from pvhdbg.tui.app import Tui

        tui = Tui(Screen(title, ascii=ascii))
        tui.worker = worker
        error = inbox.failed()
        if error is not None:
            raise error
        inbox.open(tui.emit)
        tui.run()
    finally:
        worker.close()
        worker.join()


def recorded(document: Document, title: Title, *, ascii: bool = False) -> None:  # noqa: A002
    """A recording on the screen: its stages are browsed, nothing runs."""
    from pvhdbg.tui.app import Tui

    Tui(screen_of(document, title, ascii=ascii)).run()


def screen_of(document: Document, title: Title, *, ascii: bool = False) -> Screen:  # noqa: A002
    """The last stop of a recording, with the others as its past."""
    passed = {each.stage for each in document.stops}
    marks = tuple(StageMark(name, state.PASSED if name in passed else state.AHEAD) for name in stages.NAMES)
    last = document.stops[-1] if document.stops else None
    seen = Screen(
        title,
        run=Run(state.RECORDING, document.outcome.ended, rip=last.rip if last else None),
        stages=marks,
        history=document.stops,
        now=last,
        image=document.kernel,
        focus=state.VIEW,
        ascii=ascii,
    )
    return compared(seen)
