"""Errors of the operating system as MachineErrors: no more processes, threads, open files or disk space."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

from pvhdbg.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MORE_FILES = "raise the limit on open files (`ulimit -n`)"
_MORE_PROCESSES = "raise the limit on processes (`ulimit -u`, or of the cgroup), or end some processes"
_MORE_SPACE = "free disk space, or set XDG_RUNTIME_DIR to another folder"
_HINTS = {
    errno.EMFILE: MORE_FILES,
    errno.ENFILE: "close files: the system's limit on open files is reached",
    errno.EAGAIN: _MORE_PROCESSES,
    errno.ENOMEM: "free some memory",
    errno.ENOSPC: _MORE_SPACE,
    errno.EDQUOT: _MORE_SPACE,
    errno.EFBIG: "raise the limit on the size of files (`ulimit -f`)",
    errno.EROFS: "set XDG_RUNTIME_DIR to a writable folder",
}


@contextmanager
def os_errors_as_machine_errors(action: str, hint: str | None = None) -> Iterator[None]:
    """Convert an OSError raised in the block into a MachineError.

    `action` describes what failed ("can't start gdb"). `hint` is for errors that have no hint in _HINTS.
    """
    try:
        yield
    except OSError as error:
        raise MachineError(f"{action}: {error.strerror or error}", _HINTS.get(error.errno or 0, hint)) from error


def start_thread(target: Callable[[], None], name: str) -> Thread:
    """Start a daemon thread.

    :raise MachineError: if the system allows no more threads.
    """
    thread = Thread(target=target, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise MachineError("can't start a thread", _MORE_PROCESSES) from error
    return thread
