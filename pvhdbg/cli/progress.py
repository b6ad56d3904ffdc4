"""A progress line on the terminal during a long wait. It is erased when the wait ends."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, suppress
from threading import Event
from typing import TYPE_CHECKING

from pvhdbg.live.system.os_errors import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TextIO

DELAY, INTERVAL = 2.0, 1.0
"""Seconds until the line appears, and between its updates."""

_LARGE, _SAMPLES = 32 << 20, 16
"""The size of a file that takes long to read, and at how many places it is checked."""

START = "QEMU and gdb to start"


class Progress:
    """What pvhdbg waits for. The waiting thread sets `description`; the thread that draws the line calls it."""

    def __init__(self, description: str) -> None:
        self.description: Callable[[], str] = lambda: description


@contextmanager
def shown(description: str) -> Iterator[Progress]:
    """Show "waiting for DESCRIPTION" if the block takes long, and only if standard error is a terminal."""
    stream = sys.stderr
    progress, done = Progress(description), Event()
    if stream is None or not stream.isatty():
        yield progress
        return
    thread = start_thread(lambda: _show(progress, done, stream), "pvhdbg-progress")
    try:
        yield progress
    finally:
        done.set()
        thread.join()


def _show(progress: Progress, done: Event, stream: TextIO) -> None:
    start, width = time.monotonic(), 0
    with suppress(OSError, ValueError):  # the terminal is gone
        while not done.wait(INTERVAL if width else DELAY):
            line = f"pvhdbg: waiting for {progress.description()}, {time.monotonic() - start:.0f} s"
            _write(stream, f"\r{line.ljust(width)}")
            width = max(width, len(line))
        if width:
            _write(stream, f"\r{' ' * width}\r")


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def announce_slow_start(path: Path) -> None:
    """Print a line if most of a large file must first be read from the disk: nothing else can be shown meanwhile."""
    with suppress(OSError):
        size = path.stat().st_size
        if size >= _LARGE and not _is_in_memory(path, size):
            from pvhdbg.abi.text import printable
            from pvhdbg.views.rows import text

            _write(sys.stderr, f"pvhdbg: reading {printable(path.name)} from the disk ({text.size(size)})\n")


def _is_in_memory(path: Path, size: int) -> bool:
    """Return whether the kernel has most of a file in its page cache, or can't tell."""
    with path.open("rb") as file:
        return sum(_has_page(file.fileno(), size * part // _SAMPLES) for part in range(_SAMPLES)) * 2 > _SAMPLES


def _has_page(descriptor: int, offset: int) -> bool:
    try:
        os.preadv(descriptor, [bytearray(1)], offset, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    except OSError:  # this file system can't tell
        return True
    return True
