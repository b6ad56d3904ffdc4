"""What the machine's thread is still to do, in order; any thread may ask."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

STEP, LINE, OURS = "step", "line", "ours"
"""What the user's keys ask for, a line typed at the prompt, and what we ask for ourselves, which nobody calls off."""


class Request(NamedTuple):
    kind: str
    do: Callable[[], None]


class Requests:
    """`on_change` is called with the number of the user's requests that wait, by whoever changed it: one after the
    other, so that the last one told is the one that holds.

    Lines are kept beside the requests: a command that goes on to its `end` reads those that were typed ahead.
    """

    def __init__(self, on_change: Callable[[int], None]) -> None:
        self.current: Request | None = None
        self._on_change = on_change
        self._waiting: deque[Request] = deque()
        self._lines: deque[str | None] = deque()
        self._changed = threading.Condition()
        self._is_reading = False
        self._closed = False

    def put(self, kind: str, do: Callable[[], None]) -> None:
        """Do this after what was asked for before."""
        with self._changed:
            self._waiting.append(Request(kind, do))
            self._changed.notify_all()
            self._tell()

    def put_line(self, line: str, do: Callable[[], None]) -> None:
        """A line typed at the prompt, for the command that reads lines then or, if none does, for `do` to take."""
        with self._changed:
            self._lines.append(line)
        self.put(LINE, do)

    def take_line(self) -> str | None:
        """The next typed line; null if a command has read it."""
        with self._changed:
            line = self._lines.popleft() if self._lines else None
            self._tell()
        return line

    def read_line(self, on_wait: Callable[[bool], None]) -> str | None:
        """The next typed line, as soon as there is one; null if the user gives up. `on_wait` hears whether it waits."""
        with self._changed:
            waits = self._is_reading = not self._lines and not self._closed
        if waits:
            on_wait(True)
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._closed)
            self._is_reading = False
            line = self._lines.popleft() if self._lines else None
            self._tell()
        if waits:
            on_wait(False)
        return line

    def give_up(self) -> bool:
        """End the command that waits for lines; false if none does."""
        with self._changed:
            if self._is_reading:
                self._lines.append(None)
                self._changed.notify_all()
            return self._is_reading

    def next(self) -> Request | None:
        """The next request, as soon as there is one; null after `close`."""
        with self._changed:
            self.current = None
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self.current = None if self._closed else self._waiting.popleft()
            self._tell()
        return self.current

    def drop(self) -> bool:
        """Forget what the user asked for and what waits; false if nothing does."""
        with self._changed:
            before = self._count()
            self._waiting = deque(each for each in self._waiting if each.kind == OURS)
            self._lines.clear()
            self._tell()
        return before > 0

    def close(self) -> None:
        """Nothing more is done after the current request."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._lines.clear()
            self._changed.notify_all()

    def _count(self) -> int:
        """Only under the lock: a deque that another thread changes meanwhile can't be gone through."""
        return len(self._lines) + sum(each.kind == STEP for each in self._waiting)

    def _tell(self) -> None:
        self._on_change(self._count())
