"""QMP's events while the guest runs. QEMU sends them only to a client that is connected when they happen."""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_HELLO = b'{"execute": "qmp_capabilities"}\n'
_PATIENCE = 5.0
_MOST = 1 << 20


class Events:
    """A connection to QMP that only listens. QEMU has one QMP client at a time, so close it before the next command."""

    def __init__(self, path: Path) -> None:
        """Connect, and wait until QEMU sends its events here: before it has answered, it drops them.

        :raise OSError: if QEMU is gone or does not answer in time.
        """
        self._rest, self._room = b"", _MOST
        self._lines: deque[bytes] = deque()
        self._stream = socket.socket(socket.AF_UNIX)
        try:
            self._stream.settimeout(_PATIENCE)
            self._stream.connect(str(path))
            self._stream.sendall(_HELLO)
            self._wait_for_answer()
        except BaseException:
            self._stream.close()
            raise

    def shutdown_reason(self) -> str | None:
        """Return QEMU's reason for the run state `shutdown`; None if QEMU does not send it.

        The reason is `guest-shutdown` if the guest powered the machine off, and `guest-reset` after a triple fault or a
        reset.
        """
        for message in self._messages():
            with suppress(KeyError, TypeError):
                if message["event"] == "SHUTDOWN":
                    return str(message["data"]["reason"])
        return None

    def _wait_for_answer(self) -> None:
        if not any("return" in message for message in self._messages()):
            raise OSError("no answer from QEMU")

    def _messages(self) -> Iterator[Mapping[str, Any]]:
        """Yield the JSON objects that QEMU sends, until it sends no more in time."""
        for line in self._complete_lines():
            with suppress(ValueError, RecursionError):
                message = json.loads(line)
                if isinstance(message, dict):
                    yield message

    def _complete_lines(self) -> Iterator[bytes]:
        """Yield complete lines, until QEMU sends no more in time."""
        deadline = time.monotonic() + _PATIENCE
        while self._lines or (self._room > 0 and self._receive(deadline - time.monotonic())):
            if self._lines:
                yield self._lines.popleft()

    def _receive(self, seconds: float) -> bool:
        """Wait for more bytes; return whether some have come."""
        if seconds <= 0:
            return False
        self._stream.settimeout(seconds)
        try:
            data = self._stream.recv(1 << 16)
        except OSError:
            return False
        self._room -= len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._lines.extend(lines)
        return bool(data)

    def close(self) -> None:
        self._stream.close()
