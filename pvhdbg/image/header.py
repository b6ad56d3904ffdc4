"""The headers of an ELF file, 32 or 64 bit, little endian, as they stand in it.

Source: the System V gABI's ELF chapters and <elf.h>. Of the sizes that a header gives for its tables' entries nothing
is believed: QEMU, which starts these files, takes the structures' own sizes too.
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

MAGIC = b"\x7fELF"
CLASS32, CLASS64 = 1, 2
PT_LOAD, PT_NOTE = 1, 4
SHT_SYMTAB, SHT_NOTE, SHT_NOBITS = 2, 7, 8

_EHDR = {CLASS32: Struct("<16xHHIIIIIHHHHHH"), CLASS64: Struct("<16xHHIQQQIHHHHHH")}
_PHDR = {CLASS32: Struct("<8I"), CLASS64: Struct("<IIQQQQQQ")}
_SHDR = {CLASS32: Struct("<10I"), CLASS64: Struct("<IIQQQQIIQQ")}


class ProgramHeader(NamedTuple):
    """Elf32_Phdr or Elf64_Phdr, its fields in the order of the 64-bit one."""

    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    align: int


class SectionHeader(NamedTuple):
    """Elf32_Shdr or Elf64_Shdr; `name` is an offset into the section names' string table."""

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
    """An ELF file: its bytes and its headers. Nothing that a header points to has been looked at."""

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
        """A section's name, cut after 255 bytes; empty where the file gives none."""
        if self.shstrndx >= len(self.sections):
            return b""
        start = self.sections[self.shstrndx].offset + section.name
        return self.data[start : start + 255].partition(b"\0")[0]

    def section(self, name: bytes) -> SectionHeader | None:
        """The first section of that name."""
        return next((each for each in self.sections if self.section_name(each) == name), None)


def map_file(path: str) -> mmap.mmap:
    """The bytes of a file, mapped read-only.

    :raise UserError: if it can't be read, is empty, or is no regular file.
    """
    try:
        # Without O_NONBLOCK the open of a FIFO waits for a writer.
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
        raise UserError(f"{path}: is no regular file")
    if status.st_size == 0:
        raise UserError(f"{path}: is empty")
    return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)


def read_elf(data: Buffer, path: str) -> Elf:
    """The headers of an ELF file; `path` is for the messages alone.

    :raise UserError: if it is no ELF file, or its header or one of its tables is cut off.
    :raise GuestError: if it is an ELF file for a big-endian machine.
    """
    if data[:4] != MAGIC:
        raise UserError(f"{path}: not an ELF file")
    elf_class, encoding = data[4:6].ljust(2, b"\0")
    if elf_class not in _EHDR or encoding not in (1, 2):
        raise UserError(f"{path}: not an ELF file: class {elf_class}, data encoding {encoding}")
    if encoding != 1:
        raise GuestError(f"{path}: a big-endian ELF file", "a PVH guest is x86: little endian")
    if len(data) < _EHDR[elf_class].size:
        raise truncated(path, "the ELF header", _EHDR[elf_class].size, len(data))
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


def occurrences(data: Buffer, what: bytes, start: int, end: int) -> Iterator[int]:
    """Each place in a range of the bytes at which `what` begins; overlapping ones too."""
    # mmap.find takes no number above 63 bits, and headers may say anything.
    start, end = min(start, len(data)), min(end, len(data))
    while (start := data.find(what, start, end)) >= 0:
        yield start
        start += 1


def truncated(path: str, what: str, needed: int, size: int) -> UserError:
    """The error for a file that ends before something in it does."""
    return UserError(
        f"{path}: {what} end at {needed:#x}, the file ends at {size:#x}", "the file is damaged or was not copied whole"
    )


def _table(data: Buffer, path: str, what: str, place: tuple[Struct, int, int]) -> list[tuple[int, ...]]:
    row, offset, count = place
    end = offset + row.size * count
    if end > len(data):
        raise truncated(path, f"the {what}", end, len(data))
    return list(row.iter_unpack(data[offset:end]))


def _program_header(elf_class: int, row: tuple[int, ...]) -> ProgramHeader:
    if elf_class == CLASS64:
        return ProgramHeader._make(row)
    kind, offset, vaddr, paddr, filesz, memsz, flags, align = row
    return ProgramHeader(kind, flags, offset, vaddr, paddr, filesz, memsz, align)
