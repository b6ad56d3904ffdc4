"""The syntax of a GDB/MI result record, checked before the parser gets it.

The parser, pygdbmi, never returns for some lines, even for some that gdb really writes, and raises its own errors for
other lines. So it gets only records that are short, well-formed and not deeply nested, which bounds its time.

Source: gdb's manual, "GDB/MI Output Syntax".
"""

from __future__ import annotations

import re

from pvhdbg.lazy_pattern import pattern
from pvhdbg.target.mi.client import MiError

LONGEST_RECORD = 1 << 20
"""The most characters that a record may have. Parsing that many takes a few seconds at most."""
DEEPEST = 16

_CLASS = pattern(r"[0-9]*\^[a-z]+")
_TOKEN = pattern(
    r'(?P<string>"(?:[^"\\]++|\\.)*+")|(?P<name>\w[\w-]*+=)|(?P<open>[{[])|(?P<close>[]}])|(?P<comma>,)', re.DOTALL
)
# gdb writes some non-ASCII bytes unchanged, and others as octal numbers.
_ESCAPE = pattern(r"((?:\\[23][0-7]{2})+)|\\.")
_VALUES = ("string", "open")
_FOLLOWS = {
    "comma": ("name", *_VALUES),
    "name": _VALUES,
    "open": ("name", "close", *_VALUES),
    "string": ("comma", "close"),
    "close": ("comma", "close"),
}


def normalize(line: str) -> str:
    """Return a result record in the form that the parser reads correctly.

    Octal numbers of non-ASCII bytes become characters, or lone surrogates if the bytes are not UTF-8. A tuple of values
    without names, such as a breakpoint's commands (`script={"silent","return"}`), becomes a list.

    :raise MiError: if the record is malformed, too long or too deeply nested.
    """
    if len(line) > LONGEST_RECORD:
        raise MiError(f"gdb's answer is too long: {len(line)} characters")
    start = _CLASS.match(line)
    if start is None:
        raise _malformed(0)
    return start[0] + "".join(_Scanner(line).tokens(start.end()))


class _Scanner:
    """Splits one record into tokens."""

    def __init__(self, line: str) -> None:
        self._line = line
        self._open: list[tuple[str, str]] = []  # for each open bracket, the closing bracket in the line and the result

    def tokens(self, at: int) -> list[str]:
        """Return the tokens starting at character `at`."""
        tokens: list[str] = []
        before = "close"
        while at < len(self._line):
            match = _TOKEN.match(self._line, at)
            if match is None or match.lastgroup not in _FOLLOWS[before]:
                raise _malformed(at)
            kind = match.lastgroup
            if before in ("comma", "open") and not self._fits(kind):
                raise _malformed(at)
            at = match.end()
            tokens.append(self._token(kind, match[0], at))
            before = kind
        if self._open or before not in ("string", "close"):
            raise _malformed(at)
        return tokens

    def _fits(self, kind: str) -> bool:
        """Return whether a token of this kind may come here.

        Values have names in tuples and outside of brackets, but not in the lists that gdb writes as tuples.
        """
        within = self._open[-1] if self._open else ("", "")
        return kind == "close" or within == ("]", "]") or (kind in _VALUES) == (within == ("}", "]"))

    def _token(self, kind: str, text: str, end: int) -> str:
        if kind == "string":
            return _ESCAPE.sub(_decoded, text) if "\\" in text else text
        if kind == "open":
            return self._opened(text, end)
        if kind == "close":
            return self._closed(text, end)
        return text

    def _opened(self, text: str, end: int) -> str:
        is_tuple = text == "{" and self._line[end : end + 1] not in tuple('"{[')
        self._open.append(("}" if text == "{" else "]", "}" if is_tuple else "]"))
        if len(self._open) > DEEPEST:
            raise MiError(f"gdb's answer is nested more than {DEEPEST} levels deep")
        return "{" if is_tuple else "["

    def _closed(self, text: str, end: int) -> str:
        expected, written = self._open.pop() if self._open else ("", "")
        if text != expected:
            raise _malformed(end - 1)
        return written


def _decoded(escape: re.Match[str]) -> str:
    if escape[1] is None:
        return escape[0]
    return bytes(int(digits, 8) for digits in escape[1].split("\\")[1:]).decode(errors="surrogateescape")


def _malformed(at: int) -> MiError:
    return MiError(f"gdb's answer is malformed at character {at}")
