"""The headers of a little-endian ELF file, 32 or 64 bit, exactly as they are in the file.

Source: the ELF chapters of the System V gABI, and <elf.h>. The fields e_phentsize and e_shentsize are ignored, because
QEMU, which loads these files, also ignores them and uses the sizes of the structures.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, TypeVar

from pvhdbg.errors import GuestError, UserError
from pvhdbg.image.file import DAMAGED_FILE, Buffer
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_Row = TypeVar("_Row")

MAGIC = b"\x7fELF"
CLASS32, CLASS64 = 1, 2
MAX_NAME = 255
PT_LOAD, PT_NOTE = 1, 4
SHT_NULL, SHT_SYMTAB, SHT_NOTE, SHT_NOBITS = 0, 2, 7, 8

_EHDR = {CLASS32: Struct("<16xHHIIIIIHHHHHH"), CLASS64: Struct("<16xHHIQQQIHHHHHH")}
_PHDR = {CLASS32: Struct("<8I"), CLASS64: Struct("<IIQQQQQQ")}
_SHDR = {CLASS32: Struct("<10I"), CLASS64: Struct("<IIQQQQIIQQ")}
EHDR64_SIZE, PHDR64_SIZE = _EHDR[CLASS64].size, _PHDR[CLASS64].size

MAX_NAMES_SIZE = 4 << 20
"""The bytes of the section names that are read. Debian's kernels have 1 KiB."""


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
    segments: tuple[ProgramHeader, ...]
    sections: tuple[SectionHeader, ...]
    names: bytes

    def section_name(self, section: SectionHeader) -> bytes:
        """Return a section's name, at most MAX_NAME bytes of it; empty if the file has no names."""
        return self.names[section.name : section.name + MAX_NAME].partition(b"\0")[0]

    def section(self, name: bytes) -> SectionHeader | None:
        """Return the first section with this name."""
        word = name + b"\0"
        return next((section for section in self.sections if self.names.startswith(word, section.name)), None)


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
    fields = _EHDR[elf_class].unpack(_table(data, path, "ELF header", (_EHDR[elf_class], 0, 1)))
    kind, machine, _, entry, phoff, shoff, flags, _, phentsize, phnum, _, shnum, shstrndx = fields
    segments = _table(data, path, "program headers", (_PHDR[elf_class], phoff, phnum))
    sections = _table(data, path, "section headers", (_SHDR[elf_class], shoff, shnum if shoff else 0))
    rows = _rows(SectionHeader._make, _SHDR[elf_class], sections)
    strtab = rows[shstrndx] if shstrndx < len(rows) else None
    return Elf(
        data,
        elf_class,
        kind,
        machine,
        entry,
        flags,
        phoff,
        phentsize,
        _rows(ProgramHeader._make if elf_class == CLASS64 else _program_header32, _PHDR[elf_class], segments),
        rows,
        data[strtab.offset : strtab.offset + min(strtab.size, MAX_NAMES_SIZE)] if strtab else b"",
    )


def truncation_error(path: str, part: str, end: int, size: int) -> UserError:
    """Return the error for a file that has only `size` bytes, although `part` should end at offset `end`."""
    return UserError(f"{path}: the file ends at {size:#x}, before the end of {part} ({end:#x})", DAMAGED_FILE)


@lru_cache(4)  # one command may read the headers of a file several times; there may be 65,535 of each kind
def _rows(make: Callable[[tuple[int, ...]], _Row], row: Struct, table: bytes) -> tuple[_Row, ...]:
    return tuple(map(make, row.iter_unpack(table)))


def _table(data: Buffer, path: str, name: str, layout: tuple[Struct, int, int]) -> bytes:
    row, offset, count = layout
    end = offset + row.size * count
    rows = data[offset:end] if end <= len(data) else b""
    if len(rows) < row.size * count:
        raise truncation_error(path, f"the {name}", end, len(data))
    return bytes(rows)


def _program_header32(row: tuple[int, ...]) -> ProgramHeader:
    kind, offset, vaddr, paddr, filesz, memsz, flags, align = row
    return ProgramHeader(kind, flags, offset, vaddr, paddr, filesz, memsz, align)
