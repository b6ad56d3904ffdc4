"""How a child process ended, in words."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable

if TYPE_CHECKING:
    from pathlib import Path

_NAMED = re.compile(rb"(qemu[\w-]*|gdb): ")
_TAIL = 16384
_LONGEST = 300


def manner(returncode: int) -> str:
    """`killed by SIGFPE`, `exited with status 1`; `returncode` as subprocess gives it."""
    if returncode >= 0:
        return f"exited with status {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"


def last_words(path: Path) -> str:
    """What an error output ends with, in one line fit for a terminal; empty if it says nothing but warnings.

    A line that names its program (`qemu-system-x86_64: …`) is preferred: what follows it explains.
    """
    said = [line for line in _lines(path) if b"warning:" not in line]
    named = [line.partition(b": ")[2] for line in said if _NAMED.match(line)]
    return _shown((named or said or [b""])[-1])


def line_about(path: Path, words: str) -> str:
    """The last line of an error output that has these words, fit for a terminal; empty if there is none."""
    return _shown(next((line for line in reversed(_lines(path)) if words.encode() in line), b""))


def _lines(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - _TAIL, 0))
            return [line.strip() for line in file.read(_TAIL).splitlines() if line.strip()]
    except OSError:
        return []


def _shown(line: bytes) -> str:
    return printable(line)[:_LONGEST]
