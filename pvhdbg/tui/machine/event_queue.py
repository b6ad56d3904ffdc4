"""The queue that holds events until the screen exists. The screen's thread waits on it for the first stop."""

from __future__ import annotations

import queue
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.tui.events.events import ExitRequested, GuestStopped, MachineLost, MachineStarted, ThreadEnded
from pvhdbg.tui.machine import terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from types import FrameType

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
        """End the wait: `check` and the waiting methods raise `error` from now on, and the screen gets it as an event.

        A signal handler may call this while it interrupts any other method, so it takes no lock. After a first error,
        further ones change nothing.
        """
        self._error = self._error or error
        self._arrivals.put(None)
        self._pass_error_on()

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
        # A signal may have come before `_emit` was set.
        self._pass_error_on()

    def _pass_error_on(self) -> None:
        if self._error is not None and self._emit is not None:
            self._emit(ExitRequested(self._error))


@contextmanager
def signals_end_wait(event_queue: EventQueue) -> Iterator[None]:
    """In the block, let SIGINT, SIGTERM and SIGHUP end the wait on the queue, and the screen. Raise their exception at
    the end of the block.

    The handlers raise nothing: an exception that interrupts an import or a destructor could be lost. They stay until
    the end, also while prompt_toolkit runs: with a second set of handlers, a signal that came in between would be lost.
    A signal to a pvhdbg in the background takes the terminal away from it, because pvhdbg would be stopped if it
    restored the terminal.
    """
    errors: dict[int, BaseException] = {number: SystemExit(128 + number) for number in EXIT_SIGNALS}
    errors[signal.SIGINT] = KeyboardInterrupt()
    received: list[BaseException] = []
    signals = [number for number in errors if signal.getsignal(number) != signal.SIG_IGN]

    def leave(number: int, _frame: FrameType | None) -> None:
        if terminal.is_in_background():
            terminal.abandon()
        received.append(errors[number])
        event_queue.fail(errors[number])

    before = {number: signal.signal(number, leave) for number in signals}
    try:
        yield
    except terminal.ERRORS:
        if received:
            raise received[0] from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    event_queue.check()
