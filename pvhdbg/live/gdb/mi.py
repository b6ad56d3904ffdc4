"""Parsing GDB/MI records, one line each: results, stops, and gdb's output.

Numbers and one-word names are taken from the line by a regular expression. The parser, pygdbmi, is imported only when a
record needs it: its import takes longer than QEMU takes to reach the guest's entry.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pvhdbg.target.mi import Stop

if TYPE_CHECKING:
    from collections.abc import Sequence

# Nearly every line has no escape but one of these, at its end. Such lines need no parser.
_PLAIN_ENDS = {"": "", "\\n": "\n", "\\r\\n": "\r\n"}
_STOP = re.compile(r',(reason|signal-name|bkptno|thread-id)="([\w.-]+)"')


class Reply:
    """A result record and the stream records that came before it. Both are parsed only when they are used."""

    __slots__ = ("_printed", "line", "message")

    def __init__(self, message: str, line: str, printed: Sequence[str]) -> None:
        self.message = message
        self.line = line
        self._printed = printed

    @property
    def payload(self) -> dict[str, Any]:
        from pygdbmi.gdbmiparser import parse_response

        return parse_response(self.line)["payload"] or {}

    @property
    def text(self) -> str:
        return "".join(map(read_text, self._printed))


def read_stop(line: str) -> Stop:
    values = dict(_STOP.findall(line))
    thread = values.get("thread-id", "")
    number = int(thread) if thread.isdigit() else None
    return Stop(values.get("reason", ""), values.get("signal-name", ""), values.get("bkptno"), number)


def read_text(line: str) -> str:
    """Return the text of a stream record (~, @ or &)."""
    words, escape, end = line[2:-1].partition("\\")
    if escape + end in _PLAIN_ENDS:
        return words + _PLAIN_ENDS[escape + end]
    from pygdbmi.gdbmiparser import parse_response

    try:
        return str(parse_response(line)["payload"])
    except ValueError:  # an escape that the parser does not know: show it as it came
        return line[2:-1]
