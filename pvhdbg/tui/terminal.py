"""The terminal that we were started on, and how to give it back."""

from __future__ import annotations

import os
import sys
import termios
from typing import NamedTuple


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
