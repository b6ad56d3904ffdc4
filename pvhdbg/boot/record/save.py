"""Write a file atomically: an error, an interrupt or a kill leaves the old file unchanged and no partial new file."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from pvhdbg.errors import UserError

_NO_UNNAMED_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)
"""The errors of a file system that does not support O_TMPFILE."""

_SHARED = stat.S_ISVTX | stat.S_IWOTH
_MAX_LINKS = 40
"""Linux follows at most this many symbolic links in a path."""


def save(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to a new file, then rename it to `path`. Write to a device or a pipe directly.

    The new file gets the permissions of the old one. If `path` is a symbolic link, the link's target is replaced.

    :raise UserError: if the file cannot be written.
    """
    data = text.encode("utf-8", errors="surrogateescape")
    refuse_planted_link(path)
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise UserError(f"{path}: cannot write: {error.strerror}") from error


def refuse_planted_link(path: Path) -> None:
    """Check that no other user chose the file that would be written, as Linux does with fs.protected_symlinks=1.

    :raise UserError: for another user's symbolic link in a folder such as /tmp, in which everyone can create files.
    """
    with suppress(OSError):  # the file does not exist, or writing it will fail
        for _ in range(_MAX_LINKS):
            link, folder = path.lstat(), path.parent.stat()
            if not stat.S_ISLNK(link.st_mode):
                return
            if folder.st_mode & _SHARED == _SHARED and link.st_uid not in (os.geteuid(), folder.st_uid):
                raise UserError(f"{path}: another user's symbolic link in a shared folder", "write to another file")
            path = path.parent / path.readlink()


def _replace(path: Path, data: bytes) -> None:
    new = path.with_name(f".pvhdbg-{os.urandom(8).hex()}")
    descriptor, is_named = _create(new)
    try:
        _write(descriptor, data)
        with suppress(FileNotFoundError):
            os.fchmod(descriptor, stat.S_IMODE(path.stat().st_mode))
        if not is_named:
            # Python follows the link in /proc only if src_dir_fd is passed. It has no effect on an absolute path.
            os.link(f"/proc/self/fd/{descriptor}", new, src_dir_fd=descriptor, follow_symlinks=True)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _create(path: Path) -> tuple[int, bool]:
    """Open a new file for writing. Return its descriptor, and whether the file already has a name.

    A file without a name disappears after kill -9, but some file systems do not support it.
    """
    try:
        return os.open(path.parent, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o666), False
    except OSError as error:
        if error.errno not in _NO_UNNAMED_FILES:
            raise
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), True


def _write(descriptor: int, data: bytes) -> None:
    """Write all bytes and sync the file, so that any error is reported before the rename."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)
