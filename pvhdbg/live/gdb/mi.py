"""GDB/MI's records, whole lines in: results, stops, and what gdb prints.

Numbers and names of one word are picked out of a line; the parser, which takes longer to import than QEMU to reach the
guest's entry, is for text, and comes when there is some.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pvhdbg.target.mi import Stop

if TYPE_CHECKING:
    from collections.abc import Sequence

# How nearly every line ends that has no other escape: these need no parser.
_PLAIN_ENDS = {"": "", "\\n": "\n", "\\r\\n": "\r\n"}
_STOP = re.compile(r',(reason|signal-name|bkptno|thread-id)="([\w.-]+)"')


class Reply:
    """A result record, parsed when somebody looks, and the stream records that came before it."""

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
    found = dict(_STOP.findall(line))
    thread = found.get("thread-id", "")
    number = int(thread) if thread.isdigit() else None
    return Stop(found.get("reason", ""), found.get("signal-name", ""), found.get("bkptno"), number)


def read_text(line: str) -> str:
    """What a stream record (~, @ or &) prints."""
    words, escape, end = line[2:-1].partition("\\")
    if escape + end in _PLAIN_ENDS:
        return words + _PLAIN_ENDS[escape + end]
    from pygdbmi.gdbmiparser import parse_response

    try:
        return str(parse_response(line)["payload"])
    except ValueError:  # an escape that the parser does not know: better raw than lost
        return line[2:-1]
