"""The queue of requests for the machine's thread. Any thread may add to it."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

STEP, LINE, INTERNAL = "step", "line", "internal"
"""Kinds of requests: a key, a line typed at the prompt, and a request of the TUI itself, which Ctrl-C does not drop."""


class Request(NamedTuple):
    """A request. `name` is the key, for messages about queued and dropped requests."""

    kind: str
    action: Callable[[], None]
    name: str = ""


class Requests:
    """The queued requests, and the typed lines.

    `on_change` gets the number of the user's queued requests, and the first of them, after each change. It is called
    under the lock, so its last call has the latest values.

    Typed lines have their own queue: a multi-line command reads its lines up to `end` from it, even if they were typed
    ahead.
    """

    def __init__(self, on_change: Callable[[int, str], None]) -> None:
        self.current: Request | None = None
        self._on_change = on_change
        self._waiting: deque[Request] = deque()
        self._lines: deque[str | None] = deque()
        self._changed = threading.Condition()
        self._is_reading = False
        self._closed = False

    def put(self, kind: str, action: Callable[[], None], name: str = "") -> None:
        """Queue a request after all earlier requests."""
        with self._changed:
            self._waiting.append(Request(kind, action, name))
            self._changed.notify_all()
            self._report_count()

    def put_line(self, line: str, action: Callable[[], None]) -> None:
        """Queue a line typed at the prompt. `action` takes the line unless a multi-line command reads it first."""
        with self._changed:
            self._lines.append(line)
        self.put(LINE, action)

    def take_line(self) -> str | None:
        """Return the next typed line, or None if a multi-line command has read it."""
        with self._changed:
            line = self._lines.popleft() if self._lines else None
            self._report_count()
        return line

    def read_line(self, on_wait: Callable[[bool], None]) -> str | None:
        """Wait for the next typed line and return it. Return None if the user cancels the command.

        `on_wait` is called with True when a wait begins and with False when it ends.
        """
        with self._changed:
            waiting = self._is_reading = not self._lines and not self._closed
        if waiting:
            on_wait(True)
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._closed)
            self._is_reading = False
            line = self._lines.popleft() if self._lines else None
            self._report_count()
        if waiting:
            on_wait(False)
        return line

    def cancel_reading(self) -> bool:
        """Cancel the multi-line command that waits for a line. Return False if no command waits."""
        with self._changed:
            if self._is_reading:
                self._lines.append(None)
                self._changed.notify_all()
            return self._is_reading

    def next(self) -> Request | None:
        """Wait for the next request and return it. None after `close`."""
        with self._changed:
            self.current = None
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self.current = None if self._closed else self._waiting.popleft()
            self._report_count()
        return self.current

    def stays_empty(self, seconds: float) -> bool:
        """Wait up to `seconds` for a request. Return whether there is none, and `close` was not called."""
        with self._changed:
            self.current = None
            return not self._changed.wait_for(lambda: self._waiting or self._closed, seconds)

    def drop(self) -> list[str]:
        """Drop the user's queued requests and typed lines. Return the lines, and the names of the other requests."""
        with self._changed:
            dropped = [line for line in self._lines if line is not None]
            dropped += [request.name for request in self._waiting if request.kind == STEP]
            self._waiting = deque(request for request in self._waiting if request.kind == INTERNAL)
            self._lines.clear()
            self._report_count()
        return dropped

    def close(self) -> None:
        """Drop all requests: the current one is the last."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._lines.clear()
            self._changed.notify_all()

    def _count(self) -> int:
        """Count the user's queued requests. The caller holds the lock, because the deques must not change meanwhile."""
        return len(self._lines) + sum(request.kind == STEP for request in self._waiting)

    def _first(self) -> str:
        """Return the user's first queued request: the name of a key, or a typed line."""
        first = next((request for request in self._waiting if request.kind != INTERNAL), None)
        line = next((line for line in self._lines if line is not None), "")
        return first.name if first is not None and first.kind == STEP else line

    def _report_count(self) -> None:
        self._on_change(self._count(), self._first())
