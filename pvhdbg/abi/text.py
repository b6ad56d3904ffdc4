"""Bytes that somebody else controls, made fit for a terminal."""

from __future__ import annotations


class _Escapes(dict[int, str]):
    def __missing__(self, code: int) -> str:
        self[code] = f"\\x{code:02x}" if code <= 0xFF else f"\\u{{{code:x}}}"
        return self[code]


_ESCAPES = _Escapes({code: chr(code) for code in range(0x20, 0x7F)} | {ord("\\"): "\\\\"})


def printable(text: bytes | str) -> str:
    r"""Each byte outside 0x20-0x7e as \xNN and a backslash as two, so that nothing of it steers the terminal."""
    return (text.decode("latin-1") if isinstance(text, bytes) else text).translate(_ESCAPES)
