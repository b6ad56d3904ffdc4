"""The rest of an ELF file, for `pvhdbg inspect`: what pyelftools knows and the boot does not need.

pyelftools is imported here alone; whatever it raises over a damaged file becomes a UserError.
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
from pvhdbg.image.facts import constants_ranges
from pvhdbg.image.header import Elf, map_file, occurrences, read_elf
from pvhdbg.image.multiboot import Multiboot, multiboot1, multiboot2

# What pyelftools lets through besides its own errors when a header lies.
_BROKEN = (
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
_CONFIG_MAX = 4 << 20
_COMMENT_MAX = 4096
_PLACES_TRIED = 64


class ProgramRow(NamedTuple):
    """A program header as readelf names things; `flags` of R, W and E."""

    type: str
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    flags: str
    align: int


class SectionRow(NamedTuple):
    """A section header as readelf names things; `flags` of W, A and X."""

    name: str
    type: str
    addr: int
    offset: int
    size: int
    flags: str
    align: int


class Inspection(NamedTuple):
    """What an ELF file holds besides its ImageFacts.

    `symbols` counts the rows of .symtab, null without one; `compiler` is .comment; `config` is the kernel's own
    configuration (CONFIG_IKCONFIG), null where it was not built in; `scans` are the loaders' views of the notes.
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
    """Everything that an ELF file's headers say.

    :raise UserError: if it can't be read, is no ELF file, or its headers contradict each other.
    :raise GuestError: if it is for a big-endian machine.
    """
    with closing(map_file(path)) as data:
        image = read_elf(data, path)
        with _errors_of_pyelftools(path):
            elf = ELFFile(cast("IO[bytes]", data))
            symtab = elf.get_section_by_name(".symtab")
            comment = elf.get_section_by_name(".comment")
            return Inspection(
                type=_bare(elf["e_type"], "ET_"),
                machine=elf.get_machine_arch(),
                entry=image.entry,
                program_headers=tuple(_program_rows(elf)),
                sections=tuple(_section_rows(elf)),
                symbols=symtab.num_symbols() if isinstance(symtab, SymbolTableSection) else None,
                has_debug_info=elf.get_section_by_name(".debug_info") is not None,
                compiler=_strings(image, comment["sh_offset"], comment["sh_size"]) if comment else None,
                config=kernel_config(image),
                multiboot1=multiboot1(data),
                multiboot2=multiboot2(data),
                scans=notes.scans(image),
            )


@contextmanager
def _errors_of_pyelftools(path: str) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        reason = f": {error}" if isinstance(error, ELFError) else ""
        raise UserError(f"{path}: its ELF headers contradict each other{reason}") from error


def _program_rows(elf: ELFFile) -> Iterator[ProgramRow]:
    letters = {P_FLAGS.PF_R: "R", P_FLAGS.PF_W: "W", P_FLAGS.PF_X: "E"}
    for each in elf.iter_segments():
        flags = "".join(letter for bit, letter in letters.items() if each["p_flags"] & bit)
        yield ProgramRow(
            type=_bare(each["p_type"], "PT_"),
            offset=each["p_offset"],
            vaddr=each["p_vaddr"],
            paddr=each["p_paddr"],
            filesz=each["p_filesz"],
            memsz=each["p_memsz"],
            flags=flags,
            align=each["p_align"],
        )


def _section_rows(elf: ELFFile) -> Iterator[SectionRow]:
    letters = {SH_FLAGS.SHF_WRITE: "W", SH_FLAGS.SHF_ALLOC: "A", SH_FLAGS.SHF_EXECINSTR: "X"}
    for each in elf.iter_sections():
        flags = "".join(letter for bit, letter in letters.items() if each["sh_flags"] & bit)
        yield SectionRow(
            name=each.name,
            type=_bare(each["sh_type"], "SHT_"),
            addr=each["sh_addr"],
            offset=each["sh_offset"],
            size=each["sh_size"],
            flags=flags,
            align=each["sh_addralign"],
        )


def _bare(value: str | int, prefix: str) -> str:
    """A constant's name without its prefix; a number that has no name in hex."""
    return value.removeprefix(prefix) if isinstance(value, str) else f"{value:#x}"


def _strings(image: Elf, offset: int, size: int) -> str:
    """The strings of a section, joined."""
    data = image.data[offset : offset + min(size, _COMMENT_MAX)]
    return "; ".join(part.decode("latin-1") for part in data.split(b"\0") if part)


def kernel_config(image: Elf) -> Mapping[str, str] | None:
    """The configuration that a Linux built with CONFIG_IKCONFIG carries (kernel/configs.c): option to value.

    A value is as in .config; what is not set is `n`.
    """
    for start, end in constants_ranges(image):
        for place in islice(occurrences(image.data, _IKCONFIG, start, end), _PLACES_TRIED):
            text = _gunzip(image.data[place + len(_IKCONFIG) : place + _CONFIG_MAX])
            if text:
                return dict(_options(text.decode("latin-1")))
    return None


def _gunzip(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(data, _CONFIG_MAX)
    except zlib.error:
        return b""


def _options(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if line.startswith("CONFIG_"):
            name, _, value = line.partition("=")
            yield name, value
        elif line.startswith("# CONFIG_") and line.endswith(" is not set"):
            yield line.split()[1], "n"
