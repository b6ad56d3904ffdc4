"""The headers of a little-endian ELF file, 32 or 64 bit, exactly as they are in the file.

Source: the ELF chapters of the System V gABI, and <elf.h>. The fields e_phentsize and e_shentsize are ignored, because
QEMU, which loads these files, also ignores them and uses the sizes of the structures.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import NamedTuple

from pvhdbg.errors import GuestError, UserError

Buffer = bytes | mmap.mmap

DAMAGED_FILE = "copy the file again: it is damaged or incomplete"
"""The hint for a file that is truncated or inconsistent."""

MAGIC = b"\x7fELF"
CLASS32, CLASS64 = 1, 2
MAX_NAME = 255
PT_LOAD, PT_NOTE = 1, 4
SHT_SYMTAB, SHT_NOTE, SHT_NOBITS = 2, 7, 8

_EHDR = {CLASS32: Struct("<16xHHIIIIIHHHHHH"), CLASS64: Struct("<16xHHIQQQIHHHHHH")}
_PHDR = {CLASS32: Struct("<8I"), CLASS64: Struct("<IIQQQQQQ")}
_SHDR = {CLASS32: Struct("<10I"), CLASS64: Struct("<IIQQQQIIQQ")}
EHDR64_SIZE, PHDR64_SIZE = _EHDR[CLASS64].size, _PHDR[CLASS64].size

_ZEROS = bytes(1 << 16)


class ProgramHeader(NamedTuple):
    """An Elf32_Phdr or Elf64_Phdr, with the fields in the order of Elf64_Phdr."""

    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    align: int


class SectionHeader(NamedTuple):
    """An Elf32_Shdr or Elf64_Shdr. `name` is an offset into the string table of section names."""

    name: int
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    addralign: int
    entsize: int


class Elf(NamedTuple):
    """An ELF file: its bytes and its headers. The offsets in the headers have not been checked."""

    data: Buffer
    elf_class: int
    type: int
    machine: int
    entry: int
    flags: int
    phoff: int
    phentsize: int
    shstrndx: int
    segments: tuple[ProgramHeader, ...]
    sections: tuple[SectionHeader, ...]

    def section_name(self, section: SectionHeader) -> bytes:
        """Return a section's name, at most MAX_NAME bytes of it; empty if the file has no names."""
        if self.shstrndx >= len(self.sections):
            return b""
        start = self.sections[self.shstrndx].offset + section.name
        return self.data[start : start + MAX_NAME].partition(b"\0")[0]

    def section(self, name: bytes) -> SectionHeader | None:
        """Return the first section with this name."""
        if self.shstrndx >= len(self.sections):
            return None
        data, names, word = self.data, self.sections[self.shstrndx].offset, name + b"\0"
        starts = ((names + section.name, section) for section in self.sections)
        return next((section for start, section in starts if data[start : start + len(word)] == word), None)


def map_file(path: str) -> mmap.mmap:
    """Map a file read-only. The caller closes the map.

    :raise UserError: if the file can't be read, is empty, or is not a regular file.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO blocks until it has a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    try:
        return _map(descriptor, path)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _map(descriptor: int, path: str) -> mmap.mmap:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{path}: not a regular file")
    if status.st_size == 0:
        raise UserError(f"{path}: is empty")
    return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)


def read_elf(data: Buffer, path: str) -> Elf:
    """Read the headers of an ELF file. `path` is used only in error messages.

    :raise UserError: if the file is not an ELF file, or if its header or one of its tables is truncated.
    :raise GuestError: if it is an ELF file for a big-endian machine.
    """
    if data[:4] != MAGIC:
        raise UserError(f"{path}: not an ELF file")
    elf_class, encoding = data[4:6].ljust(2, b"\0")
    if elf_class not in _EHDR or encoding not in (1, 2):
        raise UserError(f"{path}: not an ELF file: class {elf_class}, data encoding {encoding}")
    if encoding != 1:
        raise GuestError(f"{path}: a big-endian ELF file", "pass an x86 kernel: x86 is little-endian")
    if len(data) < _EHDR[elf_class].size:
        raise truncation_error(path, "the ELF header", _EHDR[elf_class].size, len(data))
    fields = _EHDR[elf_class].unpack_from(data)
    kind, machine, _, entry, phoff, shoff, flags, _, phentsize, phnum, _, shnum, shstrndx = fields
    segments = _table(data, path, "program headers", (_PHDR[elf_class], phoff, phnum))
    sections = _table(data, path, "section headers", (_SHDR[elf_class], shoff, shnum if shoff else 0))
    return Elf(
        data,
        elf_class,
        kind,
        machine,
        entry,
        flags,
        phoff,
        phentsize,
        shstrndx,
        tuple(map(ProgramHeader._make if elf_class == CLASS64 else _program_header32, segments)),
        tuple(map(SectionHeader._make, sections)),
    )


def occurrences(data: Buffer, pattern: bytes, start: int, end: int) -> Iterator[int]:
    """Yield each offset in a range at which `pattern` begins, including overlapping occurrences."""
    # mmap.find raises an exception for numbers of more than 63 bits, and a header can contain any number.
    start, end = min(start, len(data)), min(end, len(data))
    while (start := data.find(pattern, start, end)) >= 0:
        yield start
        start += 1


def merged(ranges: Iterable[tuple[int, int]], end: int, limit: int) -> list[tuple[int, int]]:
    """Return ranges of offsets sorted, merged and truncated: nothing after `end`, and at most `limit` bytes in total.

    The headers of a hostile file can refer to the same bytes thousands of times. A search then reads each byte once.
    """
    result: list[tuple[int, int]] = []
    for first, last in sorted((first, min(last, end)) for first, last in ranges):
        if result and first < result[-1][1]:
            result[-1] = result[-1][0], max(result[-1][1], last)
        elif first < last:
            result.append((first, last))
    return list(_within(limit, result))


def _within(limit: int, ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for first, last in ranges:
        if limit <= 0:
            return
        yield first, min(last, first + limit)
        limit -= last - first


def end_of_zeros(data: Buffer, start: int, end: int) -> int:
    """Return the offset of the first byte in a range that is not 0; `end` if all bytes are 0."""
    end = min(end, len(data))
    while start < end:
        block = data[start : min(start + len(_ZEROS), end)]
        # Comparing blocks is twenty times as fast as checking each byte.
        if block != _ZEROS[: len(block)]:
            return start + len(block) - len(block.lstrip(b"\0"))
        start += len(block)
    return end


def drop_pages(data: Buffer) -> None:
    """Remove the pages of a mapped file from this process's memory. They are read again when they are needed."""
    if isinstance(data, mmap.mmap):
        data.madvise(mmap.MADV_DONTNEED)


def truncation_error(path: str, part: str, end: int, size: int) -> UserError:
    """Return the error for a file that has only `size` bytes, although `part` should end at offset `end`."""
    return UserError(f"{path}: the file ends at {size:#x}, before the end of {part} ({end:#x})", DAMAGED_FILE)


def _table(data: Buffer, path: str, name: str, layout: tuple[Struct, int, int]) -> Iterator[tuple[int, ...]]:
    row, offset, count = layout
    end = offset + row.size * count
    if end > len(data):
        raise truncation_error(path, f"the {name}", end, len(data))
    return row.iter_unpack(data[offset:end])


def _program_header32(row: tuple[int, ...]) -> ProgramHeader:
    kind, offset, vaddr, paddr, filesz, memsz, flags, align = row
    return ProgramHeader(kind, flags, offset, vaddr, paddr, filesz, memsz, align)
