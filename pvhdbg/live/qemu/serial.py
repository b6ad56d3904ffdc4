"""The guest's serial console: a pipe that is always read. Only the latest output is kept.

On a busy computer, pvhdbg may not read for a while. A pipe holds 64 KiB, but a socket is full after about 280
characters, because QEMU writes each one separately. A guest that waits too long for its serial port drops the rest.
"""

from __future__ import annotations

import select
import threading
import time
from typing import TYPE_CHECKING

from pvhdbg.live.system.os_errors import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO

_TAIL_SIZE = 4 << 20
_COMPLETE_WITHIN, _RETRY = 1.0, 0.001


class Serial:
    """What the guest has written to its serial console.

    The reading thread calls `on_data` after each new piece of output, and `on_end` once, when QEMU has ended.
    """

    def __init__(self, source: FileIO, on_data: Callable[[], None] | None = None) -> None:
        self.on_data = on_data
        self.on_end: Callable[[], None] | None = None
        self._source = source
        self._lock = threading.Lock()
        self._kept = bytearray()
        self._dropped = 0
        self._thread = start_thread(self._read, "pvhdbg-serial")

    def since(self, position: int) -> tuple[bytes, int]:
        """Return the output after `position`, as far as it is still kept, and the position to ask for next.

        A position is a byte count from the beginning of the guest's output.
        """
        with self._lock:
            start = max(position - self._dropped, 0)
            return bytes(self._kept[start:]), self._dropped + len(self._kept)

    def cut(self, position: int) -> None:
        """Forget the output after `position`: the machine has gone back to the moment of that position."""
        with self._lock:
            del self._kept[max(position - self._dropped, 0) :]

    @property
    def end(self) -> int:
        """The position after the last byte so far."""
        with self._lock:
            return self._dropped + len(self._kept)

    @property
    def dropped(self) -> int:
        """The number of bytes at the beginning of the output that are not kept any more."""
        return self._dropped

    def text(self) -> bytes:
        """Return all output, or, if it is longer than 8 MiB, at least its last 4 MiB."""
        return self.since(0)[0]

    def complete(self) -> bytes:
        """Return the output like `text`. If the guest is stopped, this is everything that it has written."""
        deadline = time.monotonic() + _COMPLETE_WITHIN
        while self._thread.is_alive() and self._has_input(0) and time.monotonic() < deadline:
            self._thread.join(_RETRY)
        return self.text()

    def close(self) -> None:
        """Read the rest of the output. Call this after QEMU has ended."""
        self._thread.join(timeout=5)
        self._source.close()

    def _read(self) -> None:
        data = b"\0"
        while data:
            self._has_input(None)
            with self._lock:  # what is not in the pipe is in `_kept`
                data = self._receive()
                self._kept += data
                if len(self._kept) > 2 * _TAIL_SIZE:
                    self._dropped += len(self._kept) - _TAIL_SIZE
                    del self._kept[:-_TAIL_SIZE]
            if data and self.on_data is not None:
                self.on_data()
        if self.on_end is not None:
            self.on_end()

    def _has_input(self, milliseconds: int | None) -> bool:
        """Wait for more output, or for the end of the output, and return whether there is some."""
        waiting = select.poll()
        try:
            waiting.register(self._source, select.POLLIN)
        except ValueError:  # the pipe was closed, because pvhdbg is being ended; reading it ends the output
            return True
        return bool(waiting.poll(milliseconds))

    def _receive(self) -> bytes:
        try:
            return self._source.read(65536) or b""
        except ValueError:  # closed
            return b""
