"""The headers of a little-endian ELF file, 32 or 64 bit, exactly as they are in the file.

Source: the System V gABI's ELF chapters and <elf.h>. The header's e_phentsize and e_shentsize are ignored: QEMU, which
loads these files, uses the sizes of the structures too.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from pvhdbg.errors import GuestError, UserError

Buffer = bytes | mmap.mmap

DAMAGED_FILE = "copy the file again: it is damaged or incomplete"
"""Hint for a file that ends too early or contradicts itself."""

MAGIC = b"\x7fELF"
CLASS32, CLASS64 = 1, 2
PT_LOAD, PT_NOTE = 1, 4
SHT_SYMTAB, SHT_NOTE, SHT_NOBITS = 2, 7, 8

_EHDR = {CLASS32: Struct("<16xHHIIIIIHHHHHH"), CLASS64: Struct("<16xHHIQQQIHHHHHH")}
_PHDR = {CLASS32: Struct("<8I"), CLASS64: Struct("<IIQQQQQQ")}
_SHDR = {CLASS32: Struct("<10I"), CLASS64: Struct("<IIQQQQIIQQ")}


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
    """An ELF file: its bytes and its headers. What the headers point to has not been checked."""

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
        """Return a section's name, at most 255 bytes of it; empty if the file has no names."""
        if self.shstrndx >= len(self.sections):
            return b""
        start = self.sections[self.shstrndx].offset + section.name
        return self.data[start : start + 255].partition(b"\0")[0]

    def section(self, name: bytes) -> SectionHeader | None:
        """Return the first section with this name."""
        return next((section for section in self.sections if self.section_name(section) == name), None)


def map_file(path: str) -> mmap.mmap:
    """Map a file read-only. The caller closes the map.

    :raise UserError: if it can't be read, is empty, or is not a regular file.
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
    if stat.S_ISDIR(status.st_mode):
        raise UserError(f"{path}: is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{path}: not a regular file")
    if status.st_size == 0:
        raise UserError(f"{path}: is empty")
    return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)


def read_elf(data: Buffer, path: str) -> Elf:
    """Read the headers of an ELF file. `path` is used only in error messages.

    :raise UserError: if it is not an ELF file, or if its header or one of its tables is truncated.
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
        tuple(_program_header(elf_class, row) for row in segments),
        tuple(SectionHeader._make(row) for row in sections),
    )


def occurrences(data: Buffer, pattern: bytes, start: int, end: int) -> Iterator[int]:
    """Yield each offset in a range of the bytes at which `pattern` begins, overlapping ones too."""
    # mmap.find raises for numbers of more than 63 bits, and a header can contain any number.
    start, end = min(start, len(data)), min(end, len(data))
    while (start := data.find(pattern, start, end)) >= 0:
        yield start
        start += 1


def truncation_error(path: str, part: str, end: int, size: int) -> UserError:
    """Return the error for a file of `size` bytes in which `part` should end at `end`."""
    return UserError(f"{path}: the file ends at {size:#x}, before the end of {part} ({end:#x})", DAMAGED_FILE)


def _table(data: Buffer, path: str, name: str, layout: tuple[Struct, int, int]) -> list[tuple[int, ...]]:
    row, offset, count = layout
    end = offset + row.size * count
    if end > len(data):
        raise truncation_error(path, f"the {name}", end, len(data))
    return list(row.iter_unpack(data[offset:end]))


def _program_header(elf_class: int, row: tuple[int, ...]) -> ProgramHeader:
    if elf_class == CLASS64:
        return ProgramHeader._make(row)
    kind, offset, vaddr, paddr, filesz, memsz, flags, align = row
    return ProgramHeader(kind, flags, offset, vaddr, paddr, filesz, memsz, align)
