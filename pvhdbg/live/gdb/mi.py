"""Parsing GDB/MI records, one line each: results, stops, and gdb's output.

gdb's output is untrusted: symbols, the stub or a program that only pretends to be gdb may control it. So every line is
either parsed in bounded time or raises an MiError.

Numbers and one-word names are taken from the line by a regular expression. The parser, pygdbmi, is imported only when a
record needs it: its import takes longer than QEMU takes to reach the guest's entry.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.lazy_pattern import pattern
from pvhdbg.target.mi.client import MiError, Stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.live.gdb.results import Results

# Nearly every line has at most one escape: one of these, at its end.
_PLAIN_ENDS = {"": "", "\\n": "\n", "\\r\\n": "\r\n"}
_STOP = pattern(r',(reason|signal-name|bkptno|thread-id)="([\w.-]+)"', re.ASCII)
_WATCH = pattern(r',(?:hw-[ra]?)?wpt=\{number="([0-9]{1,9})",exp="([^"\\]{1,100})"\}', re.ASCII)
_WATCHED = pattern(r',value=\{old="([^"\\]{0,40})",new="([^"\\]{0,40})"\}', re.ASCII)
_NUMBER = pattern(r"[0-9]{1,9}")
_ESCAPE = pattern(r"((?:\\[0-7]{3})+)|\\(.)", re.DOTALL)
_CHARACTERS = {"a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ITSELF = "\\\"'"


class Reply:
    """A result record and the stream records that came before it. Both are parsed only when they are used."""

    __slots__ = ("_printed", "line", "message")

    def __init__(self, message: str, line: str, printed: Sequence[str]) -> None:
        self.message = message
        self.line = line
        self._printed = printed

    @property
    def results(self) -> Results:
        """The values in the record.

        :raise MiError: if the record can't be parsed.
        """
        return parse(self.line)

    @property
    def text(self) -> str:
        return "".join(map(read_text, self._printed))


def parse(line: str) -> Results:
    """Parse a result record.

    :raise MiError: if the record can't be parsed.
    """
    from pygdbmi.gdbmiparser import parse_response

    from pvhdbg.live.gdb.mi_syntax import normalize
    from pvhdbg.live.gdb.results import Results

    record = normalize(line)
    try:
        return Results(parse_response(record)["payload"] or {})
    except (ValueError, TypeError, AttributeError, LookupError, AssertionError, RecursionError) as error:
        raise MiError("gdb's answer can't be parsed") from error


def read_stop(line: str) -> Stop:
    values = dict(_STOP.findall(line))
    thread = values.get("thread-id", "")
    number = int(thread) if _NUMBER.fullmatch(thread) else None
    reason = values.get("reason", "")
    watch = _watchpoint(line) if reason.endswith("watchpoint-trigger") else ""
    return Stop(reason, values.get("signal-name", ""), values.get("bkptno"), number, watch)


def _watchpoint(line: str) -> str:
    """Describe the watchpoint of a stop record; empty if its number and expression are not in the record."""
    found, values = _WATCH.search(line), _WATCHED.search(line)
    if found is None:
        return ""
    number, expression = found.groups()
    change = f" ({values[1]} -> {values[2]})" if values else ""
    return printable(f"watchpoint {number}, {expression}{change}")


def read_text(line: str) -> str:
    r"""Return the text of a stream record (~, @ or &). A byte that is not UTF-8 becomes \xNN."""
    body = line[2:-1] if line.endswith('"') else line[2:]
    words, escape, end = body.partition("\\")
    plain = _PLAIN_ENDS.get(escape + end)
    text = _ESCAPE.sub(_unescaped, body) if plain is None else words + plain
    return text if text.isascii() else text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _unescaped(escape: re.Match[str]) -> str:
    octal, character = escape.groups()
    if octal is not None:
        return bytes(int(digits, 8) & 0xFF for digits in octal.split("\\")[1:]).decode(errors="surrogateescape")
    # An unknown escape is kept unchanged.
    return _CHARACTERS.get(character) or (character if character in _ITSELF else escape[0])
