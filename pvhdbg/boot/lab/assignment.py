"""`PATH=VALUE` as a user writes it: a path of the JSON document, and a C integer or a quoted string."""

from __future__ import annotations

import re
from typing import NamedTuple

from pvhdbg.abi import c_integer
from pvhdbg.abi.text import printable
from pvhdbg.errors import UserError

FORMS = "a value is a C integer (42, 0x2a, 052, 0b101010) or a quoted string, whose quotes the shell must not take"

_PART = re.compile(r"([A-Za-z_]\w*)(?:\[(\d{1,9})\])?", re.ASCII)
_LONGEST_INTEGER = 100
"""Characters. The largest field needs twenty."""
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|(.?))", re.DOTALL)
_SIMPLE = {"a": 7, "b": 8, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11} | {each: ord(each) for each in "\\\"'?"}


class Part(NamedTuple):
    """One name of a path, and the number in the brackets behind it."""

    name: str
    number: int | None


class Assignment(NamedTuple):
    """One thing to be changed. `path` is as it was written, `parts` what it is made of."""

    path: str
    parts: tuple[Part, ...]
    value: int | bytes


def parse_assignment(text: str) -> Assignment:
    """`PATH=VALUE`.

    :raise UserError: if it is not of that form.
    """
    path, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"{printable(text)}: no `=`", "write PATH=VALUE, as in start_info.version=0")
    return setting(path.strip(), value.strip())


def setting(path: str, value: str) -> Assignment:
    """A path and a value, apart.

    :raise UserError: if the path is none, or the value neither a C integer nor a quoted string.
    """
    found = [_PART.fullmatch(each) for each in path.split(".")]
    if not all(found):
        raise UserError(f"{printable(path)}: not a path", "a path is like modules[1].paddr")
    parts = (Part(each[1], None if each[2] is None else int(each[2])) for each in found if each)
    return Assignment(path, tuple(parts), _value(path, value))


def _value(path: str, text: str) -> int | bytes:
    if text[:1] in ("'", '"'):
        return _string(path, text)
    number = c_integer.parse(text.removeprefix("-" if text.startswith("-") else "+"))
    if number is None or len(text) > _LONGEST_INTEGER:
        raise UserError(f"{path}: {printable(text[:80])} is no value", FORMS)
    return -number if text.startswith("-") else number


def _string(path: str, text: str) -> bytes:
    """The bytes of a quoted string, with C's escapes; what is not ASCII is UTF-8, or the bytes that argv had."""
    made, rest = b"", text[1:]
    while rest and rest[0] != text[0]:
        escape = _ESCAPE.match(rest)
        made += _escaped(path, escape) if escape else rest[0].encode("utf-8", "surrogateescape")
        rest = rest[escape.end() if escape else 1 :]
    if rest != text[0]:
        raise UserError(f"{path}: {'something follows' if rest else 'the string lacks'} its closing quote", FORMS)
    return made


def _escaped(path: str, escape: re.Match[str]) -> bytes:
    in_hex, octal, simple = escape.groups()
    code = int(in_hex, 16) if in_hex else int(octal, 8) if octal else _SIMPLE.get(simple, 256)
    if code > 255:
        raise UserError(f"{path}: {printable(escape[0])} is no escape sequence", "a backslash is written twice")
    return bytes([code])
