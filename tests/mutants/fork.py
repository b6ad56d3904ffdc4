"""Call a function in a fork of this process, which may change and break everything there."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

T = TypeVar("T")

FORK = multiprocessing.get_context("fork")
MEMORY, FILE = 8 << 30, 1 << 30
"""How much memory a fork may use, and how large its files may become."""


def in_fork(function: Callable[[], T], seconds: float) -> T | None:
    """Return what the function returns, or None if the fork ends without an answer or not within these seconds.

    Whatever the function left running is ended with the fork.
    """
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_answer, args=(function, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(seconds) else None
    except EOFError:
        return None
    finally:
        process.kill()
        with suppress(ProcessLookupError):
            os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()
        receiver.close()


def _answer(function: Callable[[], T], sender: Connection) -> None:
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    sender.send(function())
