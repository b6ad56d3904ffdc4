"""When to take a snapshot: while the user asks for nothing, because a request that comes meanwhile has to wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pvhdbg.tui.events import events

if TYPE_CHECKING:
    from collections.abc import Callable

    Emit = Callable[[events.Event], None]

SNAPSHOT = "taking a snapshot"
_LEAST, _MOST, _TIMES = 0.3, 2.0, 8


class IdleTime:
    """How long the user must be idle before pvhdbg takes a snapshot, in proportion to the time the last one took."""

    def __init__(self, emit: Emit) -> None:
        self.seconds = _LEAST
        self._emit = emit

    def use(self, work: Callable[[], None]) -> None:
        """Do the work, and remember how long it takes."""
        start = time.monotonic()
        self._emit(events.GdbBusy(busy=True, work=SNAPSHOT, since=start))
        try:
            work()
        finally:
            self._emit(events.GdbBusy(busy=False))
            self.seconds = min(max(_TIMES * (time.monotonic() - start), _LEAST), _MOST)
