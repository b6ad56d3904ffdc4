"""The private folder that holds a machine's sockets and error output."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pvhdbg.errors import MachineError

# A UNIX socket's path is limited to 108 bytes, including its NUL. The file names in the folder need the rest.
_LONGEST_PATH = 96


def choose() -> Path:
    """Return a new path for the folder: below $XDG_RUNTIME_DIR if possible, otherwise below $TMPDIR or /tmp.

    :raise MachineError: if none of these folders is writable and has a short enough path.
    """
    name = f"pvhdbg-{os.getpid()}-{os.urandom(6).hex()}"
    places = (os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("TMPDIR"), "/tmp")  # noqa: S108 - 0700, name random
    for place in filter(None, places):
        path = Path(place).absolute() / name
        if len(os.fsencode(path)) <= _LONGEST_PATH and os.access(place, os.W_OK | os.X_OK):
            return path
    raise MachineError("no folder for sockets", "set TMPDIR to a writable folder with a short path")


def make(path: Path) -> None:
    """Create the folder. Only the user can access it.

    :raise MachineError: if the folder can't be created.
    """
    try:
        path.mkdir(mode=0o700)
    except OSError as error:
        raise MachineError(f"can't create the folder {path}: {error.strerror}") from error


def remove(path: Path) -> None:
    """Delete the folder and its files; it has no subfolders. An exiting QEMU may delete some files at the same time."""
    with suppress(FileNotFoundError):
        for file in path.iterdir():
            file.unlink(missing_ok=True)
        path.rmdir()
