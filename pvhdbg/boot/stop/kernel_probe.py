"""What a kernel's rules are read from: a few symbols, and strings of its image, asked for like symbols.

A string is asked for by its text in double quotes. So a stop that records the symbols it asked for records these too.
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
"""Every image has the empty string: where it was found, strings could be asked for."""

# Static tables of one type: the least distance between two of them is its size, rounded up.
E820_TABLES = ("e820_table_init", "e820_table_kexec_init", "e820_table_firmware_init")

PROBED = (
    "xen_prepare_pvh",
    "pvh_bootparams",
    "mem_map_via_hcall",  # since Linux 5.0, which brought the memmap table
    "pvh_get_root_pointer",  # how the RSDP went past boot_params, up to 7271cb98e498
    "__append_e820_table",  # whose caller refused a map of one entry
    "map_from_memmap",  # the teaching guest's two ways
    "map_from_e820_module",
    *E820_TABLES,
    ANY_STRING,
    E820_STRING,  # the RFC's name for the module that holds the map
)
OF_32_BITS = (END, PAE_TABLES)
"""How far the first page tables show memory. "_end" ends thousands of names: to find it takes as long as all others."""


def names(image: ImageFacts | None) -> tuple[str, ...]:
    """What a kernel is asked for."""
    return (*PROBED, *OF_32_BITS) if image and image.elf_class == 32 else PROBED


class SymbolsAndStrings:
    """The symbols of a kernel, and the strings in its load segments."""

    def __init__(self, symbols: Symbols, image: ImageFacts) -> None:
        self._symbols = symbols
        self._image = image
        self._strings: dict[str, int | None] = {}

    def address(self, name: str) -> int:
        """A symbol's link address, or that of a string in double quotes with a NUL behind it.

        :raise SymbolMissing: if there is none, or the file can't be read any more.
        """
        if not (name.startswith('"') and name.endswith('"') and len(name) > 1):
            return self._symbols.address(name)
        if name not in self._strings:
            self._strings[name] = self._find(name[1:-1].encode())
        found = self._strings[name]
        if found is None:
            raise SymbolMissing(name)
        return found

    def _find(self, text: bytes) -> int | None:
        with suppress(UserError), closing(map_file(self._image.elf)) as data:
            return string_at(data, self._image, text)
        return None

    def prefetch(self) -> None:
        """Find what will be asked for at the first stops, while nobody waits for it."""
        for name in names(self._image):
            with suppress(SymbolMissing):
                self.address(name)


def probe(target: Target, image: ImageFacts | None) -> dict[str, int]:
    """What a kernel has of the names that it is asked for."""
    found = {}
    for name in names(image):
        with suppress(SymbolMissing):
            found[name] = target.symbol(name)
    return found


def string_at(data: Buffer, image: ImageFacts, text: bytes) -> int | None:
    """The link address at which a string and its NUL lie, null if no load segment of the file holds it."""
    for start, size in _places(data, image):
        found = data.find(text + b"\0", start, start + size)
        if found >= 0:
            return _linked(image, found)
    return None


def _places(data: Buffer, image: ImageFacts) -> list[tuple[int, int]]:
    """Offset and size of what may hold strings: of a kernel that says where its data lie these, a fifth of it."""
    segments = [(each.offset, min(each.filesz, each.memsz)) for each in image.segments]
    try:
        elf = read_elf(data, image.path)
    except UserError:
        return segments
    if elf.section(b".rodata") is None:
        return segments
    found = (each for each in elf.sections if elf.section_name(each) in DATA_SECTIONS)
    return [(each.offset, each.size) for each in found if _linked(image, each.offset) is not None]


def _linked(image: ImageFacts, offset: int) -> int | None:
    """The link address of what is loaded from an offset of the file."""
    return next(
        (
            offset - each.offset + each.vaddr
            for each in image.segments
            if 0 <= offset - each.offset < min(each.filesz, each.memsz)
        ),
        None,
    )
