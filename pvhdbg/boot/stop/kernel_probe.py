"""Probe a kernel for the facts that its behavior follows from: a few symbols, and strings in its image.

A string is looked up like a symbol, by its text in double quotes. So a stop that records the symbols that were looked
up also records the strings.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_DATA
from pvhdbg.boot.stop.early_maps import END, PAE_TABLES
from pvhdbg.errors import SymbolMissing, UserError
from pvhdbg.image.header import map_file, read_elf

if TYPE_CHECKING:
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.header import Buffer
    from pvhdbg.target.base import Symbols, Target

DATA_SECTIONS = (b".rodata", b".data", b".init.data", b".init.rodata")
E820_STRING = f'"{E820_DATA.decode()}"'
ANY_STRING = '""'
"""Every image contains the empty string: if it was found, strings could be looked up."""

# Static tables of one type. The smallest distance between two of them is the size of the type, rounded up.
E820_TABLES = ("e820_table_init", "e820_table_kexec_init", "e820_table_firmware_init")

PROBED = (
    "xen_prepare_pvh",
    "pvh_bootparams",
    "mem_map_via_hcall",  # since Linux 5.0, which introduced the memmap table
    "pvh_get_root_pointer",  # how the RSDP bypassed boot_params, until 7271cb98e498
    "__append_e820_table",  # whose caller rejected a map of one entry
    "map_from_memmap",  # the teaching guest's two ways
    "map_from_e820_module",
    *E820_TABLES,
    ANY_STRING,
    E820_STRING,  # the RFC's name for the module that holds the map
)
PROBED_32 = (END, PAE_TABLES)
"""Only for 32-bit kernels: how much memory their first page tables map. "_end" is the end of thousands of names, so
looking it up takes as long as all the others together.
"""


def probed_names(image: ImageFacts | None) -> tuple[str, ...]:
    """Return the symbols and strings to look up in a kernel."""
    return (*PROBED, *PROBED_32) if image and image.elf_class == 32 else PROBED


class SymbolsAndStrings:
    """The symbols of a kernel, and the strings in its load segments."""

    def __init__(self, symbols: Symbols, image: ImageFacts) -> None:
        self._symbols = symbols
        self._image = image
        self._strings: dict[str, int | None] = {}

    def address(self, name: str) -> int:
        """Return the link address of a symbol, or of a string in double quotes with a NUL after it.

        :raise SymbolMissing: if there is none, or the file can no longer be read.
        """
        if not (name.startswith('"') and name.endswith('"') and len(name) > 1):
            return self._symbols.address(name)
        if name not in self._strings:
            self._strings[name] = self._find_string(name[1:-1].encode())
        address = self._strings[name]
        if address is None:
            raise SymbolMissing(name)
        return address

    def _find_string(self, text: bytes) -> int | None:
        with suppress(UserError), closing(map_file(self._image.elf)) as data:
            return string_at(data, self._image, text)
        return None

    def prefetch(self) -> None:
        """Look up what the first stops will need, while the user is not waiting for it."""
        for name in probed_names(self._image):
            with suppress(SymbolMissing):
                self.address(name)


def probe(target: Target, image: ImageFacts | None) -> dict[str, int]:
    """Return the link addresses of those probed names that the kernel has."""
    addresses = {}
    for name in probed_names(image):
        with suppress(SymbolMissing):
            addresses[name] = target.symbol(name)
    return addresses


def string_at(data: Buffer, image: ImageFacts, text: bytes) -> int | None:
    """Return the link address of a string and its NUL; None if no load segment of the file contains them."""
    for start, size in _file_ranges(data, image):
        offset = data.find(text + b"\0", start, start + size)
        if offset >= 0:
            return _link_address(image, offset)
    return None


def _file_ranges(data: Buffer, image: ImageFacts) -> list[tuple[int, int]]:
    """Return offset and size of what may contain strings: the data sections if the ELF has them, a fifth of a kernel;
    else the load segments.
    """
    segments = [(segment.offset, min(segment.filesz, segment.memsz)) for segment in image.segments]
    try:
        elf = read_elf(data, image.path)
    except UserError:
        return segments
    if elf.section(b".rodata") is None:
        return segments
    sections = (section for section in elf.sections if elf.section_name(section) in DATA_SECTIONS)
    return [(section.offset, section.size) for section in sections if _link_address(image, section.offset) is not None]


def _link_address(image: ImageFacts, offset: int) -> int | None:
    """Return the link address of what is loaded from an offset in the file; None if nothing is."""
    return next(
        (
            offset - segment.offset + segment.vaddr
            for segment in image.segments
            if 0 <= offset - segment.offset < min(segment.filesz, segment.memsz)
        ),
        None,
    )
