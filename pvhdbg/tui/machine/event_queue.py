"""Where events wait until there is a screen, and where the thread of the screen waits for them."""

from __future__ import annotations

import queue
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.tui.events.events import Began, Left, Lost, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from pvhdbg.tui.events.events import Event

ENDING = (signal.SIGTERM, signal.SIGHUP)


class EventQueue:
    """Any thread may put an event in; before `open` they are kept."""

    def __init__(self) -> None:
        self.kept: list[Event] = []
        self._error: BaseException | None = None
        self._emit: Callable[[Event], None] | None = None
        self._changing = threading.Lock()
        # Nothing else can be told by a signal handler to the thread that it interrupts.
        self._came: queue.SimpleQueue[type[Event] | None] = queue.SimpleQueue()

    def take(self, event: Event) -> None:
        with self._changing:
            if self._emit is not None:
                self._emit(event)
                return
            self.kept.append(event)
        if isinstance(event, Left):
            self.give_up(event.error or SystemExit(0))
        self._came.put(type(event))

    def give_up(self, error: BaseException) -> None:
        """There is nothing to wait for any more."""
        self._error = error
        self._came.put(None)

    def check(self) -> None:
        """:raise BaseException: why there is nothing to wait for."""
        if self._error is not None:
            raise self._error

    def wait_begun(self, patience: float) -> bool:
        """Until there is a machine, or for so many seconds: false then.

        :raise BaseException: why there will be none.
        """
        return self._wait((Began,), patience)

    def wait_stopped(self, patience: float) -> bool:
        """Until it stands somewhere, or for so many seconds: false then.

        :raise BaseException: if it never will.
        """
        return self._wait((Stopped, Lost), patience)

    def _wait(self, kinds: Collection[type[Event]], patience: float) -> bool:
        end = time.monotonic() + patience
        try:
            while self._came.get(timeout=max(end - time.monotonic(), 0.001)) not in kinds:
                self.check()
        except queue.Empty:
            return False
        return True

    def open(self, emit: Callable[[Event], None]) -> None:
        """From now on events go there, those that came before first."""
        with self._changing:
            self._emit = emit
            for event in self.kept:
                emit(event)


@contextmanager
def signals_end(inbox: EventQueue) -> Iterator[None]:
    """Within, a signal ends the wait, and nothing else: an exception out of nowhere can be lost in an import."""
    errors: dict[int, BaseException] = {each: SystemExit(128 + each) for each in ENDING}
    errors[signal.SIGINT] = KeyboardInterrupt()
    ours = [each for each in errors if signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, lambda number, _: inbox.give_up(errors[number])) for each in ours}
    try:
        yield
        inbox.check()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
