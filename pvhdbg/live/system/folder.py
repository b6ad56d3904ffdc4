"""The private folder that holds a machine's sockets and error output, and whether other users can change a folder."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path
from stat import S_ISVTX, S_IWGRP, S_IWOTH

from pvhdbg.errors import MachineError
from pvhdbg.live.system.os_errors import os_errors_as_machine_errors

# A UNIX socket's path is limited to 108 bytes, including its NUL. The file names in the folder need the rest.
_LONGEST_PATH = 96
_WRITABLE = S_IWGRP | S_IWOTH
_UNUSABLE = frozenset(":\r\n")


def choose() -> Path:
    """Return a new path for the folder: below $XDG_RUNTIME_DIR if possible, otherwise below $TMPDIR or /tmp.

    The path has no colon and no newline: gdb mistakes a path with a colon for HOST:PORT, and a newline ends a command.

    :raise MachineError: if none of these folders is writable and has a short enough path.
    """
    name = f"pvhdbg-{os.getpid()}-{os.urandom(6).hex()}"
    places = (os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("TMPDIR"), "/tmp")  # noqa: S108 - 0700, name random
    for place in filter(None, places):
        path = Path(place).absolute() / name
        if _can_hold_sockets(path) and os.access(place, os.W_OK | os.X_OK):
            return path
    raise MachineError("no folder for sockets", "set TMPDIR to a writable folder with a short path and without a colon")


def _can_hold_sockets(path: Path) -> bool:
    return len(os.fsencode(path)) <= _LONGEST_PATH and not _UNUSABLE.intersection(str(path))


def make(path: Path) -> None:
    """Create the folder. Only the user can access it.

    :raise MachineError: if the folder can't be created.
    """
    with os_errors_as_machine_errors(f"can't create the folder {path}"):
        path.mkdir(mode=0o700)


def remove(path: Path) -> None:
    """Delete the folder and its files; it has no subfolders. An exiting QEMU may delete some files at the same time.

    A symbolic link in the folder's place is not followed: it would be another user's.
    """
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        for name in os.listdir(folder):  # noqa: PTH208  of an open folder
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
    finally:
        os.close(folder)
    with suppress(FileNotFoundError):
        path.rmdir()


def has_room(path: Path, size: int) -> bool:
    """Return whether a file of `size` bytes fits into the folder, and into the user's limit on the size of files."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    try:
        system = os.statvfs(path)
    except OSError:
        return False
    return system.f_bavail * system.f_frsize >= size and (limit == resource.RLIM_INFINITY or limit >= size)


def make_private(path: Path) -> bool:
    """Create a folder if it is missing. Return whether no other user but root can put files into it, or replace it."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        real = path.resolve()
        status = real.stat()
        return not status.st_mode & _WRITABLE and all(map(_is_protected, (real, *real.parents)))
    except (OSError, RuntimeError):  # RuntimeError: a loop of symbolic links
        return False


def _is_protected(folder: Path) -> bool:
    """Return whether other users can't replace what is in the folder. A sticky folder, such as /tmp, is safe."""
    status = folder.stat()
    return status.st_uid in (0, os.geteuid()) and (not status.st_mode & _WRITABLE or bool(status.st_mode & S_ISVTX))
