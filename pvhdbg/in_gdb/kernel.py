"""The kernel whose symbols gdb has, read from its file: gdb takes a tenth of a second for the first name."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

import gdb

from pvhdbg.errors import PvhdbgError
from pvhdbg.image.facts import ImageFacts, read_facts
from pvhdbg.image.preflight import preflight_file
from pvhdbg.image.symbols import Symbols

_MOST_FILES = 8
"""A kernel has one or two; a program with its libraries has hundreds, and none of them is a kernel."""


class File(NamedTuple):
    """A file that was read, as it was then: changed since, it is another."""

    path: str
    inode: int
    modified: int
    size: int


class Kernel(NamedTuple):
    """Null where gdb has no file that tells. `file` is the one that the user told, where it was he."""

    facts: ImageFacts | None = None
    symbols: Symbols | None = None
    file: File | None = None


class Kernels:
    """Reads each file once."""

    def __init__(self) -> None:
        self._files: list[File] = []
        self._kernel = Kernel()

    def loaded(self) -> Kernel:
        """The kernel that gdb has symbols of now."""
        files = _files()
        if files != self._files:
            self._files = files
            self._kernel = _read([each.path for each in files])
        return self._kernel


def read(path: str) -> Kernel:
    """A kernel's own file.

    :raise PvhdbgError: if it is no ELF file.
    """
    symbols = _symbols(path)
    facts = read_facts(path)
    return Kernel(preflight_file(facts, symbols=symbols or ()).told(facts), symbols)


def _files() -> list[File]:
    """The files that gdb has read, the main one first."""
    progspace = gdb.current_progspace()
    names = [progspace.filename] if progspace else []
    names += [each.filename for each in gdb.objfiles()[:_MOST_FILES] if each.is_valid()]
    found = {}
    for name in filter(None, names):
        file = _file(name)
        if file is not None:
            found[name] = file
    return list(found.values())


def _file(name: str) -> File | None:
    """Null for a name that is no path: that of a file inside the target."""
    try:
        about = os.stat(name)  # noqa: PTH116  no Path is needed
    except OSError:
        return None
    return File(name, about.st_ino, about.st_mtime_ns, about.st_size)


def told(path: str) -> Kernel:
    """The kernel of a file that the user names.

    :raise PvhdbgError: if it is no ELF file.
    """
    file = _file(path)
    return read(path)._replace(file=file)


def fresh(kernel: Kernel) -> Kernel:
    """What the user told, read again where its file has changed: what was read of it is not there any more."""
    if kernel.file is None or _file(kernel.file.path) == kernel.file:
        return kernel
    with suppress(PvhdbgError):
        return told(kernel.file.path)
    return Kernel()


def _read(paths: list[str]) -> Kernel:
    """Of several files the first with a PVH entry; symbols are its own, or those of a file beside it."""
    kernels = [found for found in map(_readable, paths) if found]
    facts = [each.facts for each in kernels if each.facts]
    best = next((each for each in facts if each.entry is not None), facts[0] if facts else None)
    own_first = sorted(kernels, key=lambda each: each.facts is not best)
    return Kernel(best, next((each.symbols for each in own_first if each.symbols), None))


def _readable(path: str) -> Kernel | None:
    try:
        return read(path)
    except PvhdbgError:
        # Debug information in a file of its own is no kernel, but has a kernel's symbols.
        return Kernel(None, _symbols(path))


def _symbols(path: str) -> Symbols | None:
    try:
        found = Symbols(path)
    except PvhdbgError:
        return None
    if len(found):
        return found
    found.close()
    return None
