"""GDB/MI in the small: a command's spelling, a reply, a stop."""

from __future__ import annotations

from typing import Any, NamedTuple

from pygdbmi.gdbmiparser import parse_response

from pvhdbg.errors import TargetError


class MiError(TargetError):
    """gdb's own word for why not, or that it gave none in time."""


class Reply:
    """A result record, parsed when somebody looks. `text` is what gdb printed while it worked on the command."""

    __slots__ = ("_line", "message", "text")

    def __init__(self, message: str, line: str, text: str) -> None:
        self.message = message
        self.text = text
        self._line = line

    @property
    def payload(self) -> dict[str, Any]:
        return parse_response(self._line)["payload"] or {}


class Stop(NamedTuple):
    """A `*stopped` record: its reason and signal as gdb names them, and the number of the breakpoint, if it was one."""

    reason: str
    signal: str
    breakpoint: str | None


def read_stop(line: str) -> Stop:
    payload = parse_response(line)["payload"] or {}
    return Stop(payload.get("reason", ""), payload.get("signal-name", ""), payload.get("bkptno"))


def read_text(line: str) -> str:
    """What a stream record (~, @ or &) prints."""
    try:
        return str(parse_response(line)["payload"])
    except ValueError:  # an escape that the parser does not know: better raw than lost
        return line[2:-1]


def quoted(text: str) -> str:
    """A C string as MI takes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def in_console(line: str) -> str:
    """The MI command that runs a line of gdb's own language."""
    return f"-interpreter-exec console {quoted(line)}"
