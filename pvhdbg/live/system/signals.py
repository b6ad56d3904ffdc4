"""SIGTERM and SIGHUP as an ordinary way out: every `with` on the way closes what it opened."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def as_exits() -> Iterator[None]:
    """Within, SIGTERM and SIGHUP raise SystemExit(128 + number) in the main thread. One that was ignored stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, _leave) for each in ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
