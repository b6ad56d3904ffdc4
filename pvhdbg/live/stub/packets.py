"""Frames of the GDB remote serial protocol: `$TEXT#CHECKSUM`. Source: the GDB manual, section E.1.

The other side is not trusted: a frame has a limited size, also after its runs of repeated characters are expanded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pvhdbg.lazy_pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 1 << 17
"""How many characters an answer may have."""

_ESCAPED = pattern(rb"\}(.)", re.DOTALL)
_RUN = pattern(rb"(.)\*([ -~])", re.DOTALL)
_SPECIAL = pattern(rb"[#$}*]")


def frame(text: str) -> bytes:
    """Return a packet with its frame and its checksum."""
    data = _SPECIAL.sub(lambda match: bytes((0x7D, match[0][0] ^ 0x20)), text.encode("latin-1"))
    return b"$%s#%02x" % (data, sum(data) & 0xFF)


class Unframer:
    """Splits the bytes from a stub into packets."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[str | None]:
        """Add received bytes. Yield each packet that is complete now, or None for one that is damaged or too large."""
        self._buffer += data
        while (end := self._buffer.find(b"#")) >= 0 and len(self._buffer) >= end + 3:
            start = self._buffer.rfind(b"$", 0, end)  # before it, there may be a packet whose end was lost
            data, checksum = self._buffer[start + 1 : end], self._buffer[end + 1 : end + 3]
            self._buffer = self._buffer[end + 3 :]
            if start >= 0:
                yield _expand(data) if checksum.lower() == b"%02x" % (sum(data) & 0xFF) else None
        if b"$" not in self._buffer:
            self._buffer = b""  # acknowledgments, or noise between packets
        if len(self._buffer) > LARGEST:
            self._buffer = b""
            yield None


def _expand(data: bytes) -> str | None:
    """Undo the escapes and the run-length encoding. Return None for a packet that is too large."""
    if b"*" in data:
        if sum(match[2][0] - 29 for match in _RUN.finditer(data)) > LARGEST:
            return None
        data = _RUN.sub(lambda match: match[1] * (match[2][0] - 28), data)
    return _ESCAPED.sub(lambda match: bytes((match[1][0] ^ 0x20,)), data).decode("latin-1")
