"""The terminal that pvhdbg runs on, and its settings."""

from __future__ import annotations

import os
import signal
import sys
import termios
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ERRORS = (OSError, EOFError, termios.error)
"""What reading and writing raise if the terminal was closed."""

_FOREGROUND_POLL = 0.05
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
def closed_as_hangup() -> Iterator[None]:
    """In the block, end as SIGHUP does if the terminal was closed: raise SystemExit instead of the error of a read or
    write. SIGHUP itself does not come if it is ignored, or to a process in the background.
    """
    try:
        yield
    except ERRORS as error:
        if not isinstance(error, EOFError) and not _is_closed():
            raise
        raise SystemExit(128 + signal.SIGHUP) from error
    finally:
        if _is_closed():
            abandon()


def check_open() -> None:
    """Check that the terminal was not closed. Otherwise prompt_toolkit would print a warning.

    :raise EOFError: if it was closed.
    """
    if _is_closed():
        raise EOFError


def _is_closed() -> bool:
    """Return whether standard input or output was a terminal that has been closed."""
    return not (os.isatty(0) and os.isatty(1))


def is_in_background() -> bool:
    """Return whether the terminal belongs to other processes, as after Ctrl-Z and `bg`."""
    try:
        return os.tcgetpgrp(0) != os.getpgrp()
    except OSError:  # closed
        return True


def wait_foreground() -> None:
    """While the terminal belongs to other processes, stop as the kernel would stop this process for using it.

    The kernel stops it within a system call, where a signal handler of Python's never runs.
    """
    while os.isatty(0) and is_in_background() and signal.getsignal(signal.SIGTTOU) != signal.SIG_IGN:
        os.kill(0, signal.SIGTTOU)
        time.sleep(_FOREGROUND_POLL)  # without a shell that could continue it, the process is not stopped


def abandon() -> None:
    """Replace the terminal by /dev/null, so that what is written to it from now on changes nothing and does not fail.

    It must have been closed, or belong to other processes: a process in the background that changes a terminal's
    settings is stopped.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    os.close(null)


@contextmanager
def no_echo() -> Iterator[None]:
    """Turn off echo, line mode and signal keys in the block. Keys pressed in the block can be read later.

    This includes Ctrl-Q and Ctrl-S, which a terminal uses up itself, and Enter, which it would change to Ctrl-J.
    """
    wait_foreground()
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    settings = [*before]
    settings[0] &= ~(termios.IXON | termios.ICRNL)
    settings[3] &= ~_ECHO_FLAGS
    termios.tcsetattr(number, termios.TCSANOW, settings)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal has disappeared
            termios.tcsetattr(number, termios.TCSANOW, before)
