"""C integer constants as users type them: `42`, `0x2a`, `052` (octal), `0b101010`, `42UL`."""

from __future__ import annotations

import re

from pvhdbg.lazy_pattern import pattern

_INTEGER = pattern(r"(?:0x([0-9a-f]+)|0b([01]+)|(0[0-7]*)|([1-9][0-9]*))(?:u?l{0,2}|l{1,2}u)", re.ASCII | re.IGNORECASE)
_BASES = (16, 2, 8, 10)
_MOST_DIGITS = 1000
"""More digits than any field needs. Further digits are ignored: Python refuses to convert very long decimal numbers."""


def parse(text: str) -> int | None:
    """Return the value of an unsigned C integer constant of any size, or None if `text` is not one."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    digits, base = next((digits, base) for digits, base in zip(match.groups(), _BASES, strict=True) if digits)
    return int((digits.lstrip("0") or "0")[:_MOST_DIGITS], base)


def is_bad_octal(text: str) -> bool:
    """Return whether `text` is a decimal number whose leading 0 makes it an invalid octal constant: `08`."""
    return text.startswith("0") and text.isdecimal() and parse(text) is None
