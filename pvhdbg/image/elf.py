"""Read what `pvhdbg inspect` shows in addition to ImageFacts: all headers, the compiler, the kernel configuration.

Only this module imports pyelftools. Every exception that pyelftools raises for a damaged file becomes a UserError.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from io import BytesIO
from itertools import islice

from elftools.common.exceptions import ELFError
from elftools.elf import enums
from elftools.elf.constants import P_FLAGS, SH_FLAGS
from elftools.elf.elffile import ELFFile

from pvhdbg.errors import UserError
from pvhdbg.image import notes
from pvhdbg.image.facts import ImageFacts, in_rodata
from pvhdbg.image.file import open_file
from pvhdbg.image.header import EHDR64_SIZE, SHT_SYMTAB, Elf, SectionHeader, read_elf
from pvhdbg.image.limits import MAX_COMMENT, MAX_CONFIG, MAX_HEADERS, left_out
from pvhdbg.image.multiboot import Multiboot, find_multiboot1, find_multiboot2
from pvhdbg.named_tuple import NamedTuple

PYELFTOOLS_ERRORS = (
    ELFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    AssertionError,
)
"""The exceptions that pyelftools raises for invalid files."""
_PROGRAM_TYPES = {
    "EM_ARM": enums.ENUM_P_TYPE_ARM,
    "EM_AARCH64": enums.ENUM_P_TYPE_AARCH64,
    "EM_MIPS": enums.ENUM_P_TYPE_MIPS,
    "EM_RISCV": enums.ENUM_P_TYPE_RISCV,
}
_SECTION_TYPES = {
    "EM_ARM": enums.ENUM_SH_TYPE_ARM,
    "EM_AARCH64": enums.ENUM_SH_TYPE_AARCH64,
    "EM_X86_64": enums.ENUM_SH_TYPE_AMD64,
    "EM_MIPS": enums.ENUM_SH_TYPE_MIPS,
    "EM_RISCV": enums.ENUM_SH_TYPE_RISCV,
}

_IKCONFIG = b"IKCFG_ST"
_MAX_CANDIDATES = 64


class ProgramRow(NamedTuple):
    """A program header, with the same names as in readelf. `flags` has the letters R, W and E."""

    type: str
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    flags: str
    align: int


class SectionRow(NamedTuple):
    """A section header, with the same names as in readelf. `flags` has the letters W, A and X."""

    name: str
    type: str
    addr: int
    offset: int
    size: int
    flags: str
    align: int


class Inspection(NamedTuple):
    """The contents of an ELF file that are not in its ImageFacts.

    `symbols` is the number of rows in .symtab, None without one. `compiler` is the content of .comment. `config` is the
    configuration in a kernel that was built with CONFIG_IKCONFIG (kernel/configs.c), otherwise None; the values are the
    same as in .config, and an option that is not set has the value `n`. `scans` has the results of each
    loader's scan of the notes. `left_out` has a remark for each part that was not read, by its path in the JSON of
    `inspect`.
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
    left_out: Mapping[str, str]


def inspect(elf_path: str, facts: ImageFacts | None = None) -> Inspection:
    """Read all headers of an ELF file. Errors name `facts.path`, the bzImage that the file was unpacked from.

    :raise UserError: if the file can't be read, is not an ELF file, or has inconsistent headers.
    :raise GuestError: if the file is for a big-endian machine.
    """
    path = facts.path if facts else elf_path
    has_release = facts is None or facts.release is not None
    with closing(open_file(elf_path)) as data:
        image = read_elf(data, path)
        with _errors_of_pyelftools(path):
            elf = ELFFile(BytesIO(data[:EHDR64_SIZE]))
            machine, machine_name = elf["e_machine"], elf.get_machine_arch()
            elf_type = _strip_prefix(elf["e_type"], "ET_")
        comment = image.section(b".comment")
        config = _config_text(image)
        return Inspection(
            type=elf_type,
            machine=machine_name,
            entry=image.entry,
            program_headers=tuple(_program_rows(image, machine)),
            sections=tuple(_section_rows(image, machine)),
            symbols=_symbols(image, path),
            has_debug_info=image.section(b".debug_info") is not None,
            compiler=_strings(image, comment) if comment else None,
            config=None if config is None else dict(_options(config)),
            multiboot1=find_multiboot1(data),
            multiboot2=find_multiboot2(data),
            scans=notes.all_scans(image),
            left_out=left_out(image, config_size=None if config is None else len(config), has_release=has_release),
        )


@contextmanager
def _errors_of_pyelftools(path: str) -> Iterator[None]:
    try:
        yield
    except PYELFTOOLS_ERRORS as error:
        reason = f": {error}" if isinstance(error, ELFError) else ""
        raise UserError(f"{path}: inconsistent ELF headers{reason}") from error


def _program_rows(image: Elf, machine: str | int) -> Iterator[ProgramRow]:
    letters = {P_FLAGS.PF_R: "R", P_FLAGS.PF_W: "W", P_FLAGS.PF_X: "E"}
    names = _names(_PROGRAM_TYPES.get(str(machine), enums.ENUM_P_TYPE_BASE))
    for segment in image.segments[:MAX_HEADERS]:
        yield ProgramRow(
            type=_strip_prefix(names.get(segment.type, segment.type), "PT_"),
            offset=segment.offset,
            vaddr=segment.vaddr,
            paddr=segment.paddr,
            filesz=segment.filesz,
            memsz=segment.memsz,
            flags="".join(letter for bit, letter in letters.items() if segment.flags & bit),
            align=segment.align,
        )


def _section_rows(image: Elf, machine: str | int) -> Iterator[SectionRow]:
    letters = {SH_FLAGS.SHF_WRITE: "W", SH_FLAGS.SHF_ALLOC: "A", SH_FLAGS.SHF_EXECINSTR: "X"}
    names = _names(_SECTION_TYPES.get(str(machine), enums.ENUM_SH_TYPE_BASE))
    for section in image.sections[:MAX_HEADERS]:
        yield SectionRow(
            name=image.section_name(section).decode("latin-1"),
            type=_strip_prefix(names.get(section.type, section.type), "SHT_"),
            addr=section.addr,
            offset=section.offset,
            size=section.size,
            flags="".join(letter for bit, letter in letters.items() if section.flags & bit),
            align=section.addralign,
        )


def _names(numbers: Mapping[str, int]) -> dict[int, str]:
    return {number: name for name, number in numbers.items()}


def _strip_prefix(value: str | int, prefix: str) -> str:
    """Return the name of a constant without its prefix; for a number without a name, the number in hex."""
    return value.removeprefix(prefix) if isinstance(value, str) else f"{value:#x}"


def _symbols(image: Elf, path: str) -> int | None:
    """Return the number of rows in .symtab; None if there is no .symtab.

    :raise UserError: if the size of .symtab is not a multiple of the row size.
    """
    symtab = image.section(b".symtab")
    if symtab is None or symtab.type != SHT_SYMTAB:
        return None
    if symtab.entsize == 0 or symtab.size % symtab.entsize:
        reason = f".symtab has {symtab.size} bytes, but its rows have {symtab.entsize}"
        raise UserError(f"{path}: inconsistent ELF headers: {reason}")
    return symtab.size // symtab.entsize


def _strings(image: Elf, section: SectionHeader) -> str:
    """Return the NUL-terminated strings of a section, joined with semicolons."""
    data = image.data[section.offset : section.offset + min(section.size, MAX_COMMENT)]
    return "; ".join(part.decode("latin-1") for part in data.split(b"\0") if part)


def _config_text(image: Elf) -> str | None:
    for offset in islice(in_rodata(image, _IKCONFIG), _MAX_CANDIDATES):
        text = _gunzip(image.data[offset + len(_IKCONFIG) : offset + MAX_CONFIG])
        if text:
            return text.decode("latin-1")
    return None


def _gunzip(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(data, MAX_CONFIG)
    except zlib.error:
        return b""


def _options(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if line.startswith("CONFIG_"):
            name, _, value = line.partition("=")
            yield name, value
        elif line.startswith("# CONFIG_") and line.endswith(" is not set"):
            yield line.split()[1], "n"
