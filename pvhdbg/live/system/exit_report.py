"""How a child process ended, in words, and what it wrote to standard error."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.lazy_pattern import pattern

if TYPE_CHECKING:
    from pathlib import Path

_NAMED = pattern(rb"(qemu[\w-]*|gdb): ")
_TAIL_SIZE = 16384
_LONGEST_LINE = 300


def describe_exit(returncode: int) -> str:
    """Return "exited with status 1" or "was killed by SIGFPE". `returncode` is subprocess's: negative for a signal."""
    if returncode >= 0:
        return f"exited with status {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


def last_error(path: Path) -> str:
    """Return the last error message in a file of standard error, in one printable line. Empty if it has only warnings.

    A line that begins with the program's name (`qemu-system-x86_64: …`) is preferred, because later lines only explain
    it.
    """
    lines = [line for line in _lines(path) if b"warning:" not in line]
    named = [line.partition(b": ")[2] for line in lines if _NAMED.match(line)]
    return _shown((named or lines or [b""])[-1])


def find_error_line(path: Path, words: str) -> str:
    """Return the last line in a file of standard error that contains `words`, made printable; empty if no line does."""
    return _shown(next((line for line in reversed(_lines(path)) if words.encode() in line), b""))


def _lines(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - _TAIL_SIZE, 0))
            return [line.strip() for line in file.read(_TAIL_SIZE).splitlines() if line.strip()]
    except OSError:
        return []


def _shown(line: bytes) -> str:
    return printable(line)[:_LONGEST_LINE]
