"""A line on the terminal that says what is waited for, where that takes long; it goes when the waiting ends."""

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

PATIENCE, PACE = 2.0, 1.0
"""Seconds until there is such a line, and until it is written again."""

START = "QEMU and gdb to start"


class Waiting:
    """What is waited for: told by whoever waits, asked by the thread that shows it."""

    def __init__(self, what: str) -> None:
        self.what: Callable[[], str] = lambda: what


@contextmanager
def shown(what: str) -> Iterator[Waiting]:
    """Within, after a while, there is such a line on standard error, if that is a terminal."""
    stream = sys.stderr
    waiting, done = Waiting(what), Event()
    if stream is None or not stream.isatty():
        yield waiting
        return
    thread = start_thread(lambda: _show(waiting, done, stream), "pvhdbg-waiting")
    try:
        yield waiting
    finally:
        done.set()
        thread.join()


def _show(waiting: Waiting, done: Event, stream: TextIO) -> None:
    began, width = time.monotonic(), 0
    with suppress(OSError, ValueError):  # the terminal has gone
        while not done.wait(PACE if width else PATIENCE):
            line = f"pvhdbg: waiting for {waiting.what()}, {time.monotonic() - began:.0f} s"
            _write(stream, f"\r{line.ljust(width)}")
            width = max(width, len(line))
        if width:
            _write(stream, f"\r{' ' * width}\r")


def _write(stream: TextIO, words: str) -> None:
    stream.write(words)
    stream.flush()
