"""SIGTERM and SIGHUP as an ordinary exit, so that every `with` block on the stack cleans up."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


_REPEATED_WITHIN = 2.0
"""A closed terminal's shell repeats the kernel's SIGHUP at once. That must not interrupt the cleanup."""


class _Exit:
    """The handler. `status` is the exit status of the first signal, if there was one."""

    def __init__(self) -> None:
        self.status: int | None = None
        self._last = 0.0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        last, self._last = self._last, time.monotonic()
        if self.status is not None and self._last - last < _REPEATED_WITHIN:
            return
        self.status = self.status or 128 + number
        raise SystemExit(self.status)

    def forget(self) -> None:
        """Forget when the last signal came: its exception was lost."""
        self._last = float("-inf")


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise SystemExit(128 + number) in the block.

    A signal that is ignored stays ignored. Outside the main thread this does nothing: only that thread gets signals.
    The exception is raised at the end of the block if it was lost in it, as in a destructor.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    leave = _Exit()
    before = {number: signal.signal(number, leave) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if leave.status is not None:
        raise SystemExit(leave.status)
