"""What the system refuses us, as errors of this machine: processes, threads, open files, room on a disk."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

from pvhdbg.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PROCESSES = "there are as many processes as `ulimit -u`, or the cgroup, allows"
_HINTS = {
    errno.EMFILE: "there are as many open files as `ulimit -n` allows",
    errno.ENFILE: "there are as many open files as the system allows",
    errno.EAGAIN: _PROCESSES,
    errno.ENOMEM: "there is no memory left",
    errno.ENOSPC: "make room there, or set TMPDIR to another folder",
    errno.EDQUOT: "make room there, or set TMPDIR to another folder",
    errno.EROFS: "set TMPDIR to a folder that can be written",
}


@contextmanager
def told(doing: str, hint: str | None = None) -> Iterator[None]:
    """Within, an OSError becomes a MachineError: `doing` is what failed, `hint` for a refusal that explains nothing."""
    try:
        yield
    except OSError as error:
        raise MachineError(f"{doing}: {error.strerror or error}", _HINTS.get(error.errno or 0, hint)) from error


def start_thread(target: Callable[[], None], name: str) -> Thread:
    """:raise MachineError: if there can be no more."""
    thread = Thread(target=target, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise MachineError("can't start a thread", _PROCESSES) from error
    return thread
