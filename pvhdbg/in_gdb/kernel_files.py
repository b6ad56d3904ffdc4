"""The kernel whose symbols gdb has loaded, read from its file: gdb takes 0.1 s to look up the first symbol."""

from __future__ import annotations

import os
from contextlib import suppress

import gdb

from pvhdbg.errors import PvhdbgError
from pvhdbg.image.debug_info.symbols import Symbols
from pvhdbg.image.facts import ImageFacts, read_facts, with_guest
from pvhdbg.image.preflight import preflight_file
from pvhdbg.live.system import cache
from pvhdbg.named_tuple import NamedTuple

_MOST_FILES = 8
"""The most files to read. A kernel has one or two; a program with its libraries has hundreds, none of them a kernel."""


class FileVersion(NamedTuple):
    """Identifies the content of a file at one time. If the file changes, its FileVersion changes."""

    path: str
    inode: int
    modified: int
    size: int


class Kernel(NamedTuple):
    """What pvhdbg read from a kernel's file. `file` is set if the user named the file."""

    facts: ImageFacts | None = None
    symbols: Symbols | None = None
    file: FileVersion | None = None


class LoadedKernel:
    """The kernel whose symbols gdb has loaded. A file is read again only when it has changed."""

    def __init__(self) -> None:
        self._files: list[FileVersion] = []
        self._kernel = Kernel()

    def kernel(self) -> Kernel:
        files = _loaded_files()
        if files != self._files:
            self._files = files
            self._kernel = _read_best([file.path for file in files])
        return self._kernel


def _loaded_files() -> list[FileVersion]:
    """Return the files that gdb has read symbols from, the main one first."""
    progspace = gdb.current_progspace()
    names = [progspace.filename] if progspace else []
    names += [objfile.filename for objfile in gdb.objfiles()[:_MOST_FILES] if objfile.is_valid()]
    versions = {}
    for name in filter(None, names):
        version = _version(name)
        if version is not None:
            versions[name] = version
    return list(versions.values())


def _version(name: str) -> FileVersion | None:
    """Return None if the name is not a path on this machine, such as the name of a file inside the target."""
    try:
        status = os.stat(name)  # noqa: PTH116  no Path is needed
    except OSError:
        return None
    return FileVersion(name, status.st_ino, status.st_mtime_ns, status.st_size)


def read(path: str) -> Kernel:
    """Read a kernel's file.

    :raise PvhdbgError: if it is not an ELF file.
    """
    facts = read_facts(path)
    symbols = _symbols(path, facts.build_id)
    known = with_guest(facts, symbols or ())
    return Kernel(preflight_file(known, symbols=symbols or ()).apply_to(known), symbols)


def read_named(path: str) -> Kernel:
    """Read the kernel file that the user named.

    :raise PvhdbgError: if it is not an ELF file.
    """
    version = _version(path)
    return read(path)._replace(file=version)


def reload_if_changed(kernel: Kernel) -> Kernel:
    """Read the kernel that the user named again if its file has changed. Return an empty Kernel if that fails."""
    if kernel.file is None or _version(kernel.file.path) == kernel.file:
        return kernel
    with suppress(PvhdbgError):
        return read_named(kernel.file.path)
    return Kernel()


def _read_best(paths: list[str]) -> Kernel:
    """Return the kernel in the first file with a PVH entry. If that file has no symbols, use those of another file."""
    kernels = [kernel for kernel in map(_read_or_none, paths) if kernel]
    facts = [kernel.facts for kernel in kernels if kernel.facts]
    best = next((image for image in facts if image.entry is not None), facts[0] if facts else None)
    own_first = sorted(kernels, key=lambda kernel: kernel.facts is not best)
    symbols = next((kernel.symbols for kernel in own_first if kernel.symbols), None)
    return Kernel(best and with_guest(best, symbols or ()), symbols)


def _read_or_none(path: str) -> Kernel | None:
    try:
        return read(path)
    except PvhdbgError:
        # A file with only debug information is not a kernel, but it has the symbols of one.
        return Kernel(None, _symbols(path))


def _symbols(path: str, build_id: str | None = None) -> Symbols | None:
    try:
        symbols = Symbols(path, build_id, cache.folder("symbols", os.environ) if build_id else None)
    except PvhdbgError:
        return None
    if len(symbols):
        return symbols
    symbols.close()
    return None
