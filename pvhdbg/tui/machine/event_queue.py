"""The queue that holds events until the screen exists. The screen's thread waits on it for the first stop."""

from __future__ import annotations

import queue
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.tui.events.events import GuestStopped, MachineLost, MachineStarted, ThreadEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from pvhdbg.tui.events.events import Event

EXIT_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class EventQueue:
    """Holds the events of the machine's thread until the screen exists.

    After `forward_to`, events go directly to the screen. Any thread may put events in.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._error: BaseException | None = None
        self._emit: Callable[[Event], None] | None = None
        self._changing = threading.Lock()
        # A SimpleQueue, because a signal handler may put into it while it interrupts the waiting thread.
        self._arrivals: queue.SimpleQueue[type[Event] | None] = queue.SimpleQueue()

    def put(self, event: Event) -> None:
        with self._changing:
            if self._emit is not None:
                self._emit(event)
                return
            self.events.append(event)
        if isinstance(event, ThreadEnded):
            self.fail(event.error or SystemExit(0))
        self._arrivals.put(type(event))

    def fail(self, error: BaseException) -> None:
        """End the wait: `check` and the waiting methods raise `error` from now on."""
        self._error = error
        self._arrivals.put(None)

    def check(self) -> None:
        """Raise the error given to `fail`, if any.

        :raise BaseException: that error.
        """
        if self._error is not None:
            raise self._error

    def wait_started(self, timeout: float) -> bool:
        """Wait until the machine has started. Return False after `timeout` seconds.

        :raise BaseException: the error given to `fail`, if any.
        """
        return self._wait((MachineStarted,), timeout)

    def wait_stopped(self, timeout: float) -> bool:
        """Wait until the machine has stopped or is lost. Return False after `timeout` seconds.

        :raise BaseException: the error given to `fail`, if any.
        """
        return self._wait((GuestStopped, MachineLost), timeout)

    def _wait(self, kinds: Collection[type[Event]], timeout: float) -> bool:
        end = time.monotonic() + timeout
        try:
            while self._arrivals.get(timeout=max(end - time.monotonic(), 0.001)) not in kinds:
                self.check()
        except queue.Empty:
            return False
        return True

    def forward_to(self, emit: Callable[[Event], None]) -> None:
        """Pass the events held so far, and every later event, to `emit`."""
        with self._changing:
            self._emit = emit
            for event in self.events:
                emit(event)


@contextmanager
def signals_end_wait(event_queue: EventQueue) -> Iterator[None]:
    """In the block, let SIGINT, SIGTERM and SIGHUP only end the wait on the queue. At its end, raise their exception.

    An exception raised by a signal handler could be lost if it interrupted an import.
    """
    errors: dict[int, BaseException] = {number: SystemExit(128 + number) for number in EXIT_SIGNALS}
    errors[signal.SIGINT] = KeyboardInterrupt()
    signals = [number for number in errors if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, lambda number, _: event_queue.fail(errors[number])) for number in signals}
    try:
        yield
        event_queue.check()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
