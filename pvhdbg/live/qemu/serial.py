"""The guest's serial console: always read, so that it never blocks the guest, and only a bounded tail of it kept."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pvhdbg.live.system.os_errors import start_thread

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_KEPT = 4 << 20


class Serial:
    """What the guest has written so far. The reading thread calls `on_data` after more came, and `on_end` once QEMU has
    ended, however it did.
    """

    def __init__(self, source: socket.socket, on_data: Callable[[], None] | None = None) -> None:
        self.on_data = on_data
        self.on_end: Callable[[], None] | None = None
        self._source = source
        self._lock = threading.Lock()
        self._kept = bytearray()
        self._dropped = 0
        self._thread = start_thread(self._read, "pvhdbg-serial")

    def since(self, position: int) -> tuple[bytes, int]:
        """What is kept of the bytes after `position`, counted from the guest's first; and what to ask next."""
        with self._lock:
            start = max(position - self._dropped, 0)
            return bytes(self._kept[start:]), self._dropped + len(self._kept)

    def text(self) -> bytes:
        """Everything, or if that is more than 8 MiB at least the last 4 MiB of it."""
        return self.since(0)[0]

    def close(self) -> None:
        """After QEMU's end: take the rest."""
        self._thread.join(timeout=5)
        self._source.close()

    def _read(self) -> None:
        while data := self._receive():
            with self._lock:
                self._kept += data
                if len(self._kept) > 2 * _KEPT:
                    self._dropped += len(self._kept) - _KEPT
                    del self._kept[:-_KEPT]
            if self.on_data is not None:
                self.on_data()
        if self.on_end is not None:
            self.on_end()

    def _receive(self) -> bytes:
        try:
            return self._source.recv(65536)
        except OSError:  # QEMU was killed with our end unread
            return b""
