"""Frames of the GDB remote serial protocol: `$TEXT#CHECKSUM`. Source: the GDB manual, section E.1.

The other side is not trusted: a frame has a limited size, also after its runs of repeated characters are expanded.
"""

from __future__ import annotations

import re

from pvhdbg.target.rsp.client import StubError

LARGEST = 1 << 17
"""How many characters an answer may have."""

_ESCAPED = re.compile(rb"\}(.)", re.DOTALL)
_RUN = re.compile(rb"(.)\*([ -~])", re.DOTALL)
_SPECIAL = re.compile(rb"[#$}*]")


def frame(text: str) -> bytes:
    """Return a packet with its frame and its checksum."""
    data = _SPECIAL.sub(lambda match: bytes((0x7D, match[0][0] ^ 0x20)), text.encode("latin-1"))
    return b"$%s#%02x" % (data, sum(data) & 0xFF)


class Unframer:
    """Splits the bytes from a stub into packets."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[str]:
        """Add received bytes. Return the packets that are complete now.

        :raise StubError: for a packet that is damaged or too large.
        """
        self._buffer += data
        packets = []
        while (packet := self._next()) is not None:
            packets.append(packet)
        if len(self._buffer) > LARGEST:
            raise StubError("the gdb stub sent a packet that is too large")
        return packets

    def _next(self) -> str | None:
        start = self._buffer.find(b"$")
        if start < 0:
            self._buffer = b""  # acknowledgments, or noise between packets
            return None
        end = self._buffer.find(b"#", start)
        if end < 0 or len(self._buffer) < end + 3:
            self._buffer = self._buffer[start:]
            return None
        data, checksum = self._buffer[start + 1 : end], self._buffer[end + 1 : end + 3]
        self._buffer = self._buffer[end + 3 :]
        if checksum.lower() != b"%02x" % (sum(data) & 0xFF):
            raise StubError("the gdb stub sent a packet with a wrong checksum")
        return _expand(data).decode("latin-1")


def _expand(data: bytes) -> bytes:
    """Undo the escapes and the run-length encoding."""
    if b"*" in data:
        if sum(match[2][0] - 29 for match in _RUN.finditer(data)) > LARGEST:
            raise StubError("the gdb stub sent a packet that is too large")
        data = _RUN.sub(lambda match: match[1] * (match[2][0] - 28), data)
    return _ESCAPED.sub(lambda match: bytes((match[1][0] ^ 0x20,)), data)
