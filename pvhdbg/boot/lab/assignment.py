"""Parse `PATH=VALUE`: a path in the JSON document, and a C integer or a quoted string."""

from __future__ import annotations

import re

from pvhdbg.abi import c_integer
from pvhdbg.abi.text import printable
from pvhdbg.errors import UserError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple

SHELL_HINT = "in a shell, protect the quotes: --set 'cmdline=\"quiet\"'"
FORMS = f"use a C integer (42, 0x2a, 052, 0b101010) or a quoted string; {SHELL_HINT}"

_PART = pattern(r"([A-Za-z_]\w*)(?:\[(\d{1,9})\])?", re.ASCII)
_LONGEST_INTEGER = 100
"""The limit in characters. The largest field needs twenty decimal digits."""
_ESCAPE = pattern(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|(.?))", re.DOTALL)
_SIMPLE = {"a": 7, "b": 8, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11} | {mark: ord(mark) for mark in "\\\"'?"}


class Part(NamedTuple):
    """One name of a path. `number` is the index in brackets after the name, None without brackets."""

    name: str
    number: int | None


class Assignment(NamedTuple):
    """One `PATH=VALUE`. `path` is the path as the user typed it, `parts` is the path parsed."""

    path: str
    parts: tuple[Part, ...]
    value: int | bytes


def parse_assignment(text: str) -> Assignment:
    """Parse `PATH=VALUE`.

    :raise UserError: if the text does not have that form.
    """
    path, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"{printable(text)}: missing `=`", "write PATH=VALUE, such as start_info.version=0")
    return assignment(path.strip(), value.strip())


def assignment(path: str, value: str) -> Assignment:
    """Parse a path and a value that are already separated.

    :raise UserError: if the path is malformed, or the value is neither a C integer nor a quoted string.
    """
    matches = [_PART.fullmatch(part) for part in path.split(".")]
    if not all(matches):
        raise UserError(f"{printable(path)}: not a path", "write a path such as modules[1].paddr")
    parts = (Part(match[1], None if match[2] is None else int(match[2])) for match in matches if match)
    return Assignment(path, tuple(parts), _value(path, value))


def _value(path: str, text: str) -> int | bytes:
    if text[:1] in ("'", '"'):
        return _string(path, text)
    number = c_integer.parse(text.removeprefix("-" if text.startswith("-") else "+"))
    if number is None or len(text) > _LONGEST_INTEGER:
        raise UserError(f"{path}: invalid value: {printable(text[:80])}", FORMS)
    return -number if text.startswith("-") else number


def _string(path: str, text: str) -> bytes:
    """Return the bytes of a quoted string with C escapes: text as UTF-8, undecodable bytes of argv unchanged."""
    value, rest = b"", text[1:]
    while rest and rest[0] != text[0]:
        escape = _ESCAPE.match(rest)
        value += _escaped(path, escape) if escape else rest[0].encode("utf-8", "surrogateescape")
        rest = rest[escape.end() if escape else 1 :]
    if rest != text[0]:
        raise UserError(f"{path}: {'text after the' if rest else 'missing'} closing quote", FORMS)
    return value


def _escaped(path: str, escape: re.Match[str]) -> bytes:
    hex_digits, octal_digits, character = escape.groups()
    code = int(hex_digits, 16) if hex_digits else int(octal_digits, 8) if octal_digits else _SIMPLE.get(character, 256)
    if code > 255:
        raise UserError(f"{path}: unknown escape sequence: {printable(escape[0])}", "write a backslash as `\\\\`")
    return bytes([code])
