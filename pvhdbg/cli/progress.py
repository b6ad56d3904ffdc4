"""A progress line on the terminal during a long wait. It is erased when the wait ends."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, suppress
from threading import Event
from typing import TYPE_CHECKING

from pvhdbg.live.system.os_errors import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

DELAY, INTERVAL = 2.0, 1.0
"""Seconds until the line appears, and between its updates."""

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
