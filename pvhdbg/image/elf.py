"""What `pvhdbg inspect` shows of an ELF file beyond its facts: all headers, compiler, kernel configuration.

Only this module imports pyelftools. Whatever pyelftools raises for a damaged file becomes a UserError.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from typing import IO, NamedTuple, cast

from elftools.common.exceptions import ELFError
from elftools.elf.constants import P_FLAGS, SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from pvhdbg.errors import UserError
from pvhdbg.image import notes
from pvhdbg.image.facts import rodata_ranges
from pvhdbg.image.header import Elf, map_file, occurrences, read_elf
from pvhdbg.image.multiboot import Multiboot, find_multiboot1, find_multiboot2

# What pyelftools raises for invalid headers, besides its own errors.
_PYELFTOOLS_ERRORS = (
    ELFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    AssertionError,
)

_IKCONFIG = b"IKCFG_ST"
_MAX_CONFIG = 4 << 20
_MAX_COMMENT = 4096
_MAX_CANDIDATES = 64


class ProgramRow(NamedTuple):
    """A program header, with readelf's names. `flags` is made of R, W and E."""

    type: str
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    flags: str
    align: int


class SectionRow(NamedTuple):
    """A section header, with readelf's names. `flags` is made of W, A and X."""

    name: str
    type: str
    addr: int
    offset: int
    size: int
    flags: str
    align: int


class Inspection(NamedTuple):
    """What an ELF file contains besides its ImageFacts.

    `symbols` is the number of rows in .symtab, None without one. `compiler` is the content of .comment. `config` is the
    configuration that a kernel built with CONFIG_IKCONFIG contains, else None. `scans` says how each loader reads the
    notes.
    """

    type: str
    machine: str
    entry: int
    program_headers: tuple[ProgramRow, ...]
    sections: tuple[SectionRow, ...]
    symbols: int | None
    has_debug_info: bool
    compiler: str | None
    config: Mapping[str, str] | None
    multiboot1: Multiboot | None
    multiboot2: Multiboot | None
    scans: tuple[notes.Scan, ...]


def inspect(path: str) -> Inspection:
    """Read everything that an ELF file's headers say.

    :raise UserError: if it can't be read, is not an ELF file, or has inconsistent headers.
    :raise GuestError: if it is for a big-endian machine.
    """
    with closing(map_file(path)) as data:
        image = read_elf(data, path)
        with _errors_of_pyelftools(path):
            elf = ELFFile(cast("IO[bytes]", data))
            symtab = elf.get_section_by_name(".symtab")
            comment = elf.get_section_by_name(".comment")
            return Inspection(
                type=_strip_prefix(elf["e_type"], "ET_"),
                machine=elf.get_machine_arch(),
                entry=image.entry,
                program_headers=tuple(_program_rows(elf)),
                sections=tuple(_section_rows(elf)),
                symbols=symtab.num_symbols() if isinstance(symtab, SymbolTableSection) else None,
                has_debug_info=elf.get_section_by_name(".debug_info") is not None,
                compiler=_strings(image, comment["sh_offset"], comment["sh_size"]) if comment else None,
                config=kernel_config(image),
                multiboot1=find_multiboot1(data),
                multiboot2=find_multiboot2(data),
                scans=notes.all_scans(image),
            )


@contextmanager
def _errors_of_pyelftools(path: str) -> Iterator[None]:
    try:
        yield
    except _PYELFTOOLS_ERRORS as error:
        reason = f": {error}" if isinstance(error, ELFError) else ""
        raise UserError(f"{path}: inconsistent ELF headers{reason}") from error


def _program_rows(elf: ELFFile) -> Iterator[ProgramRow]:
    letters = {P_FLAGS.PF_R: "R", P_FLAGS.PF_W: "W", P_FLAGS.PF_X: "E"}
    for segment in elf.iter_segments():
        flags = "".join(letter for bit, letter in letters.items() if segment["p_flags"] & bit)
        yield ProgramRow(
            type=_strip_prefix(segment["p_type"], "PT_"),
            offset=segment["p_offset"],
            vaddr=segment["p_vaddr"],
            paddr=segment["p_paddr"],
            filesz=segment["p_filesz"],
            memsz=segment["p_memsz"],
            flags=flags,
            align=segment["p_align"],
        )


def _section_rows(elf: ELFFile) -> Iterator[SectionRow]:
    letters = {SH_FLAGS.SHF_WRITE: "W", SH_FLAGS.SHF_ALLOC: "A", SH_FLAGS.SHF_EXECINSTR: "X"}
    for section in elf.iter_sections():
        flags = "".join(letter for bit, letter in letters.items() if section["sh_flags"] & bit)
        yield SectionRow(
            name=section.name,
            type=_strip_prefix(section["sh_type"], "SHT_"),
            addr=section["sh_addr"],
            offset=section["sh_offset"],
            size=section["sh_size"],
            flags=flags,
            align=section["sh_addralign"],
        )


def _strip_prefix(value: str | int, prefix: str) -> str:
    """Return a constant's name without its prefix, or a number without a name in hex."""
    return value.removeprefix(prefix) if isinstance(value, str) else f"{value:#x}"


def _strings(image: Elf, offset: int, size: int) -> str:
    """Return the NUL-terminated strings of a section, joined with semicolons."""
    data = image.data[offset : offset + min(size, _MAX_COMMENT)]
    return "; ".join(part.decode("latin-1") for part in data.split(b"\0") if part)


def kernel_config(image: Elf) -> Mapping[str, str] | None:
    """Return the options and values that a Linux built with CONFIG_IKCONFIG contains (kernel/configs.c), else None.

    A value is as in .config; an option that is not set has the value `n`.
    """
    for start, end in rodata_ranges(image):
        for offset in islice(occurrences(image.data, _IKCONFIG, start, end), _MAX_CANDIDATES):
            text = _gunzip(image.data[offset + len(_IKCONFIG) : offset + _MAX_CONFIG])
            if text:
                return dict(_options(text.decode("latin-1")))
    return None


def _gunzip(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(data, _MAX_CONFIG)
    except zlib.error:
        return b""


def _options(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if line.startswith("CONFIG_"):
            name, _, value = line.partition("=")
            yield name, value
        elif line.startswith("# CONFIG_") and line.endswith(" is not set"):
            yield line.split()[1], "n"
