"""The terminal that we were started on, and how to give it back."""

from __future__ import annotations

import os
import sys
import termios
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_SILENT = termios.ECHO | termios.ICANON | termios.ISIG


class Terminal(NamedTuple):
    """`path` is its device, `settings` what `stty -g` prints there."""

    path: str
    settings: str


def ours() -> Terminal | None:
    """The terminal on standard input, as it is now; null if it is none."""
    try:
        number = sys.stdin.fileno()
        iflag, oflag, cflag, lflag, _, _, characters = termios.tcgetattr(number)
        path = os.ttyname(number)
    except (OSError, ValueError, termios.error):
        return None
    # Python gives most of them as bytes of length one, and two that count as numbers.
    codes = (each if isinstance(each, int) else each[0] for each in characters)
    return Terminal(path, ":".join(f"{each:x}" for each in (iflag, oflag, cflag, lflag, *codes)))


def size() -> tuple[int, int]:
    """Columns and lines."""
    found = os.get_terminal_size(sys.stdout.fileno())
    return found.columns, found.lines


@contextmanager
def silent() -> Iterator[None]:
    """Within, what is typed is kept for who reads it, and not shown."""
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    wanted = [*before]
    wanted[3] &= ~_SILENT
    termios.tcsetattr(number, termios.TCSANOW, wanted)
    try:
        yield
    finally:
        with suppress(termios.error):  # it has gone
            termios.tcsetattr(number, termios.TCSANOW, before)
