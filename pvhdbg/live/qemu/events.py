"""QMP's events while the guest runs. QEMU sends them only to a client that is connected when they happen."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HELLO = b'{"execute": "qmp_capabilities"}\n'
_PATIENCE = 2.0
_MOST = 1 << 20


class Events:
    """A connection to QMP that only listens. QEMU has one QMP client at a time, so close it before the next command."""

    def __init__(self, path: Path) -> None:
        """Connect without waiting.

        :raise OSError: if QEMU is gone.
        """
        self._stream = socket.socket(socket.AF_UNIX)
        try:
            self._stream.settimeout(_PATIENCE)
            self._stream.connect(str(path))
            self._stream.sendall(_HELLO)
        except BaseException:
            self._stream.close()
            raise

    def shutdown_reason(self) -> str | None:
        """Return QEMU's reason for the run state `shutdown`; None if QEMU does not send it.

        The reason is `guest-shutdown` if the guest powered the machine off, and `guest-reset` after a triple fault or a
        reset.
        """
        for line in self._lines():
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                message = json.loads(line)
                if message["event"] == "SHUTDOWN":
                    return str(message["data"]["reason"])
        return None

    def _lines(self) -> Iterator[bytes]:
        """Yield complete lines, until QEMU sends no more in time."""
        deadline, rest, room = time.monotonic() + _PATIENCE, b"", _MOST
        while room > 0 and (left := deadline - time.monotonic()) > 0:
            self._stream.settimeout(left)
            try:
                data = self._stream.recv(1 << 16)
            except OSError:
                return
            if not data:
                return
            room -= len(data)
            *lines, rest = (rest + data).split(b"\n")
            yield from lines

    def close(self) -> None:
        self._stream.close()
