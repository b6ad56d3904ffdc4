"""The results of earlier lookups in a kernel file, kept in a file of the user's cache folder.

The file has only the places: the number of a symbol in the symbol table, and the offset of a string. The
name and the value are then read from the kernel file, so a wrong place cannot give a wrong address. That a name is
missing cannot be read from the kernel file. So the results apply only to the same file: its build-id, its size, and the
times of its last changes.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.image.file import File

_MAX_FILES = 64
_MAX_SIZE = 1 << 16
_MAX_NAMES = 1024
_MAX_NAME = 128
_MAX_BUILD_ID = 64
_MISSING = "-"


class Lookups:
    """The results of looking up names in one kernel file: the place of each name, or None if it is missing."""

    def __init__(self, folder: Path, build_id: str, file: File) -> None:
        """Read the results of earlier runs. A damaged file, or another user's, is ignored."""
        self._path = folder / f"{build_id}-{file.version}"
        self._head = f"pvhdbg {__version__} {build_id} {file.version}"
        self._places = _parse(_read(self._path), self._head)
        self._is_new = False

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __getitem__(self, name: str) -> int | None:
        return self._places[name]

    def __setitem__(self, name: str, place: int | None) -> None:
        if len(self._places) < _MAX_NAMES and len(name) <= _MAX_NAME and name.isascii() and name.isprintable():
            self._places[name] = place
            self._is_new = True

    def save(self) -> None:
        """Write the results for the next run, if there are new ones. If that is not possible, nothing is kept."""
        if not self._is_new:
            return
        rows = (f"{_MISSING if place is None else place} {name}\n" for name, place in self._places.items())
        content = f"{self._head}\n{''.join(rows)}end {len(self._places)}\n".encode("ascii")
        with suppress(OSError):
            _make_room(self._path.parent)
            _write(self._path, content)
        self._is_new = False


def lookups(folder: Path | None, build_id: str | None, file: File) -> Lookups | None:
    """Return the results of earlier runs; None if there is no folder for them, or the file has no build-id."""
    if folder is None or build_id is None or len(build_id) > _MAX_BUILD_ID:
        return None
    return Lookups(folder, build_id, file)


def _read(path: Path) -> bytes:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_size <= _MAX_SIZE:
                return os.read(descriptor, _MAX_SIZE)
        finally:
            os.close(descriptor)
    return b""


def _parse(content: bytes, head: str) -> dict[str, int | None]:
    """Return the places in the file; none if it is damaged, or was written for another kernel file."""
    lines = content.decode("latin-1").split("\n")
    if len(lines) < 3 or lines[0] != head or lines[-2:] != [f"end {len(lines) - 3}", ""]:
        return {}
    places: dict[str, int | None] = {}
    for line in lines[1:-2]:
        place, _, name = line.partition(" ")
        if not name or not (place == _MISSING or (place.isdecimal() and place.isascii() and len(place) < 20)):
            return {}
        places[name] = None if place == _MISSING else int(place)
    return places


def _make_room(folder: Path) -> None:
    """Delete the oldest files, so that one more does not exceed the limit."""
    oldest_first = sorted(folder.iterdir(), key=lambda path: path.lstat().st_mtime_ns)
    for path in oldest_first[: max(len(oldest_first) - _MAX_FILES + 1, 0)]:
        with suppress(OSError):
            path.unlink()


def _write(path: Path, content: bytes) -> None:
    """Write the file completely, or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - an open file
            file.write(content)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
