"""Bytes and strings that a guest or another program controls, escaped for a terminal."""

from __future__ import annotations

_PLAIN = range(0x20, 0x7F)
_LONE_BYTES = range(0xDC80, 0xDD00)


class Escapes(dict[int, str]):
    r"""A table for str.translate. A character that is not in it becomes \xNN, or \u{N} above 0xff.

    A byte of a file name that is not UTF-8, which Python decodes to U+DC80 and up, becomes \xNN too.
    """

    def __missing__(self, code: int) -> str:
        byte = code & 0xFF if code in _LONE_BYTES else code
        self[code] = f"\\x{byte:02x}" if byte <= 0xFF else f"\\u{{{code:x}}}"
        return self[code]


_ASCII = Escapes({code: chr(code) for code in _PLAIN})
_ASCII_AND_BACKSLASH = Escapes(_ASCII | {ord("\\"): "\\\\"})


def is_lone_byte(character: str) -> bool:
    """Return whether a character stands for a byte that is not valid UTF-8, as in the name of a file or a symbol."""
    return ord(character) in _LONE_BYTES


def printable(text: bytes | str) -> str:
    r"""Write each byte outside 0x20-0x7e as \xNN, and double each backslash, so that no byte can control a terminal."""
    characters = text.decode("latin-1") if isinstance(text, bytes) else text
    if characters.isascii() and characters.isprintable() and "\\" not in characters:
        return characters
    return characters.translate(_ASCII_AND_BACKSLASH)


def printable_start(text: bytes | str, limit: int) -> str:
    """Return the start of a text like `printable`, with at most `limit` characters. No escape sequence is cut."""
    kept = text[:limit]
    while len(shown := printable(kept)) > limit:
        kept = kept[:-1]
    return shown


def escape_non_ascii(text: str) -> str:
    """Escape everything in a message except printable ASCII.

    A backslash is left unchanged: text from the guest is escaped already.
    """
    return text if text.isascii() and text.isprintable() else text.translate(_ASCII)


def escape_unprintable(text: str) -> str:
    """Escape the characters of a message from gdb, QEMU or the system that are not printable in Unicode."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _ASCII[ord(character)] for character in text)
