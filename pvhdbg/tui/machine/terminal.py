"""The terminal that pvhdbg runs on, and its settings."""

from __future__ import annotations

import os
import sys
import termios
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_ECHO_FLAGS = termios.ECHO | termios.ICANON | termios.ISIG


class Terminal(NamedTuple):
    """A terminal: the path of its device, and its settings in the format of `stty -g`."""

    path: str
    settings: str


def current() -> Terminal | None:
    """Return the terminal on standard input with its present settings. None if standard input is not a terminal."""
    try:
        number = sys.stdin.fileno()
        iflag, oflag, cflag, lflag, _, _, characters = termios.tcgetattr(number)
        path = os.ttyname(number)
    except (OSError, ValueError, termios.error):
        return None
    # Python returns control characters as bytes of length 1, but VMIN and VTIME as numbers.
    codes = (character if isinstance(character, int) else character[0] for character in characters)
    return Terminal(path, ":".join(f"{number:x}" for number in (iflag, oflag, cflag, lflag, *codes)))


def size() -> tuple[int, int]:
    """Return the terminal's columns and lines."""
    size = os.get_terminal_size(sys.stdout.fileno())
    return size.columns, size.lines


@contextmanager
def no_echo() -> Iterator[None]:
    """Turn off echo, line mode and signal keys in the block. Keys pressed in the block can be read later."""
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    settings = [*before]
    settings[3] &= ~_ECHO_FLAGS
    termios.tcsetattr(number, termios.TCSANOW, settings)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal has disappeared
            termios.tcsetattr(number, termios.TCSANOW, before)
