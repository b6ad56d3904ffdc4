"""GDB/MI's records, whole lines in: results, stops, and what gdb prints."""

from __future__ import annotations

from typing import Any

from pygdbmi.gdbmiparser import parse_response

from pvhdbg.target.mi import Stop

# How nearly every line ends that has no other escape: these need no parser.
_PLAIN_ENDS = {"": "", "\\n": "\n", "\\r\\n": "\r\n"}


class Reply:
    """A result record, parsed when somebody looks. `text` is what gdb printed while it worked on the command."""

    __slots__ = ("line", "message", "text")

    def __init__(self, message: str, line: str, text: str) -> None:
        self.message = message
        self.text = text
        self.line = line

    @property
    def payload(self) -> dict[str, Any]:
        return parse_response(self.line)["payload"] or {}


def read_stop(line: str) -> Stop:
    payload = parse_response(line)["payload"] or {}
    return Stop(payload.get("reason", ""), payload.get("signal-name", ""), payload.get("bkptno"))


def read_text(line: str) -> str:
    """What a stream record (~, @ or &) prints."""
    words, escape, end = line[2:-1].partition("\\")
    if escape + end in _PLAIN_ENDS:
        return words + _PLAIN_ENDS[escape + end]
    try:
        return str(parse_response(line)["payload"])
    except ValueError:  # an escape that the parser does not know: better raw than lost
        return line[2:-1]
