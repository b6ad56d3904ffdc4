"""The private folder that holds a session's sockets."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pvhdbg.errors import MachineError

# A UNIX socket's path has 108 bytes with its NUL; the names in the folder take the rest.
_LONGEST = 96


def choose() -> Path:
    """Where the folder of this session will lie: in the runtime folder, else where temporary files go."""
    name = f"pvhdbg-{os.getpid()}-{os.urandom(6).hex()}"
    places = (os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("TMPDIR"), "/tmp")  # noqa: S108 - 0700, name random
    for place in filter(None, places):
        path = Path(place).absolute() / name
        if len(os.fsencode(path)) <= _LONGEST and os.access(place, os.W_OK | os.X_OK):
            return path
    raise MachineError("there is no folder to put sockets in", "set TMPDIR to a writable one with a short path")


def make(path: Path) -> None:
    try:
        path.mkdir(mode=0o700)
    except OSError as error:
        raise MachineError(f"can't make the folder {path}: {error.strerror}") from error


def remove(path: Path) -> None:
    """It is flat: sockets and small files. QEMU, on its way out, may be removing its own."""
    with suppress(FileNotFoundError):
        for each in path.iterdir():
            each.unlink(missing_ok=True)
        path.rmdir()
