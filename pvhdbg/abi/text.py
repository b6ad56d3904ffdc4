"""Bytes and words that somebody else controls, made fit for a terminal."""

from __future__ import annotations

_PLAIN = range(0x20, 0x7F)
_LONE_BYTES = range(0xDC80, 0xDD00)


class Escapes(dict[int, str]):
    r"""A table for str.translate, in which what is not listed is \xNN, or \u{N} above 0xff.

    A byte of a file's name that is no UTF-8, which Python has as U+DC80 and up, is \xNN too.
    """

    def __missing__(self, code: int) -> str:
        if code in _LONE_BYTES:
            return self[code & 0xFF]
        self[code] = f"\\x{code:02x}" if code <= 0xFF else f"\\u{{{code:x}}}"
        return self[code]


_WORDS = Escapes({code: chr(code) for code in _PLAIN})
_BYTES = Escapes(_WORDS | {ord("\\"): "\\\\"})


def printable(text: bytes | str) -> str:
    r"""Each byte outside 0x20-0x7e as \xNN and a backslash as two, so that nothing of it steers the terminal."""
    return (text.decode("latin-1") if isinstance(text, bytes) else text).translate(_BYTES)


def ascii_words(text: str) -> str:
    """Words in which what a guest controls is escaped already: a backslash stays one."""
    return text if text.isascii() and text.isprintable() else text.translate(_WORDS)


def unicode_words(text: str) -> str:
    """Words of gdb, QEMU or the system: they may be in any script, but steer no terminal."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _WORDS[ord(each)] for each in text)
