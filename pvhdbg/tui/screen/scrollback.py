"""What gdb prints and the guest writes, as lines fit for a terminal: so many of them, each so long, and no more."""

from __future__ import annotations

from itertools import accumulate, takewhile
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Lines = tuple[str, ...]

LINES_KEPT = 5000
LONGEST_LINE = 4096


def printed(lines: Lines, text: str) -> Lines:
    """With what gdb printed. It may be UTF-8, but a control character must not reach the terminal."""
    return _appended(lines, text.replace("\r\n", "\n").split("\n"), _printed)


def written(lines: Lines, data: bytes) -> Lines:
    """With what the guest wrote. That may be megabytes, of one line or of many: then nothing of before is kept."""
    parts = data.replace(b"\r", b"").split(b"\n")
    before = lines if len(parts) <= LINES_KEPT else ()
    kept = (each[:LONGEST_LINE].decode("latin-1") for each in parts[-LINES_KEPT:])
    return _appended(before, list(kept), printable)


def _appended(lines: Lines, parts: Sequence[str], escaped: Callable[[str], str]) -> Lines:
    """The last of the lines is the one that is still being written, and the first part goes on with it."""
    last, (first, *rest) = lines[-1] if lines else "", parts
    new = (
        last + _fitting(first, LONGEST_LINE - len(last), escaped),
        *(_fitting(each, LONGEST_LINE, escaped) for each in rest[-LINES_KEPT:]),
    )
    return (*lines[:-1], *new)[-LINES_KEPT:]


def _fitting(text: str, room: int, escaped: Callable[[str], str]) -> str:
    """As much of it as there is room for, escaped; no escape is cut in two."""
    cut = text[:room].expandtabs()[:room]
    shown = escaped(cut)
    if len(shown) <= room:
        return shown
    lengths = accumulate(len(escaped(each)) for each in cut)
    return escaped(cut[: sum(1 for _ in takewhile(lambda length: length <= room, lengths))])


def _printed(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else printable(each) for each in text)
