"""gdb's output and the guest's serial output, as a limited number of lines that are safe for a terminal."""

from __future__ import annotations

from itertools import accumulate, takewhile
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.lazy_pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Lines = tuple[str, ...]

LINES_KEPT = 5000
_DEATH = pattern(r"(?:Program|Thread .{1,40}) received signal (?:SIGQUIT, Quit|SIGABRT, Aborted)\.")
"""What gdb prints when the guest has died: QEMU's stub reports its run state as a signal, which no guest gets."""
LONGEST_LINE = 4096


def add_gdb_output(lines: Lines, text: str) -> Lines:
    """Append text from gdb to the lines. The text may be UTF-8, but no control character may reach the terminal.

    Leave out the signal by which QEMU's stub reports a death: pvhdbg says how the guest died.
    """
    parts = text.replace("\r\n", "\n").split("\n")
    appended = _appended(lines, parts, _escape_unprintable)
    new = appended[-len(parts) :]
    if not any(map(_DEATH.fullmatch, new)):
        return appended
    return (*appended[: -len(parts)], *(line for line in new if not _DEATH.fullmatch(line)))


def add_serial_output(lines: Lines, data: bytes) -> Lines:
    """Append bytes from the guest to the lines. If the bytes alone exceed LINES_KEPT, drop the old lines first."""
    parts = data.replace(b"\r", b"").split(b"\n")
    before = lines if len(parts) <= LINES_KEPT else ()
    kept = (part[:LONGEST_LINE].decode("latin-1") for part in parts[-LINES_KEPT:])
    return _appended(before, list(kept), printable)


def _appended(lines: Lines, parts: Sequence[str], escape: Callable[[str], str]) -> Lines:
    """Append the first part to the last line, and the other parts as new lines."""
    last, (first, *rest) = lines[-1] if lines else "", parts
    new = (
        last + _fitted(first, LONGEST_LINE - len(last), escape),
        *(_fitted(part, LONGEST_LINE, escape) for part in rest[-LINES_KEPT:]),
    )
    return (*lines[:-1], *new)[-LINES_KEPT:]


def _fitted(text: str, room: int, escape: Callable[[str], str]) -> str:
    """Escape the text and cut it at `room` characters, but never inside an escape."""
    cut = text[:room].expandtabs()[:room]
    escaped = escape(cut)
    if len(escaped) <= room:
        return escaped
    lengths = accumulate(len(escape(character)) for character in cut)
    return escape(cut[: sum(1 for _ in takewhile(lambda length: length <= room, lengths))])


def _escape_unprintable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else printable(character) for character in text)
