"""Look up the symbols and strings that determine a kernel's behavior.

A string is looked up like a symbol, as its text in double quotes, and so is a number from the debug information:
`sizeof(struct prb_desc)`. Therefore a capture, which records the symbols that were looked up, also records them.
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import closing, suppress
from operator import itemgetter
from typing import TYPE_CHECKING

from pvhdbg.abi import printk
from pvhdbg.abi.e820 import E820_DATA
from pvhdbg.boot.stop.early_maps import END, PAE_TABLES
from pvhdbg.errors import SymbolMissing, UserError
from pvhdbg.image.debug_info.dwarf import struct_layouts
from pvhdbg.image.facts import SEARCHED
from pvhdbg.image.file import merged, occurrences, open_file
from pvhdbg.image.header import read_elf

if TYPE_CHECKING:
    from pvhdbg.image.debug_info.lookups import Lookups
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.file import Buffer
    from pvhdbg.target.base import Symbols, Target

DATA_SECTIONS = (b".rodata", b".data", b".init.data", b".init.rodata")
E820_STRING = f'"{E820_DATA.decode()}"'
ANY_STRING = '""'
"""The empty string. Every image contains it, so if it was found, pvhdbg was able to look up strings."""

# Static variables of the same type. The smallest distance between two of them is the size of the type, rounded up.
E820_TABLES = ("e820_table_init", "e820_table_kexec_init", "e820_table_firmware_init")

PROBED = (
    "xen_prepare_pvh",
    "pvh_bootparams",
    "mem_map_via_hcall",  # in Linux 5.0 and later, which read the memmap table
    "pvh_get_root_pointer",  # in Linux before commit 7271cb98e498: the RSDP does not go through boot_params
    "__append_e820_table",  # in Linux whose e820 code rejects a map with one entry
    "map_from_memmap",  # the teaching guest's functions for both protocols
    "map_from_e820_module",
    *E820_TABLES,
    ANY_STRING,
    E820_STRING,  # the name of the module with the map in the 2017 RFC protocol
)
PROBED_32 = (END, PAE_TABLES)
"""Only for 32-bit kernels: these symbols show how much memory the first page tables map. Thousands of names end in
"_end", so looking it up takes as long as all other names together.
"""


def probed_names(image: ImageFacts | None) -> tuple[str, ...]:
    """Return the symbols and strings to look up in a kernel."""
    return (*PROBED, *PROBED_32) if image and image.elf_class == 32 else PROBED


class SymbolsAndStrings:
    """The symbols of a kernel, the strings in its load segments, and the layouts of the structures of its log."""

    def __init__(self, symbols: Symbols, image: ImageFacts, lookups: Lookups | None = None) -> None:
        """`lookups` are the results of earlier searches in the ELF file of the image."""
        self._symbols = symbols
        self._image = image
        self._lookups = lookups
        self._strings: dict[str, int | None] = {}
        self._layouts: dict[str, int] | None = None

    def address(self, name: str) -> int:
        """Return the link address of a symbol, or of a NUL-terminated string if `name` is in double quotes.

        For `sizeof(…)` and `offsetof(…)`, return a number of bytes.

        :raise SymbolMissing: if the kernel has no such symbol or string, or the file can no longer be read.
        """
        if name.endswith(")"):
            return self._layout_number(name)
        if not (name.startswith('"') and name.endswith('"') and len(name) > 1):
            return self._symbols.address(name)
        if name not in self._strings:
            self._strings[name] = self._find_string(name[1:-1].encode())
        address = self._strings[name]
        if address is None:
            raise SymbolMissing(name)
        return address

    def _find_string(self, text: bytes) -> int | None:
        with suppress(UserError), closing(open_file(self._image.elf)) as data:
            offset = self._string_offset(data, text)
            return None if offset is None else link_address(self._image, offset)
        return None

    def _string_offset(self, data: Buffer, text: bytes) -> int | None:
        if self._lookups is None:
            return string_offset(data, self._image, text)
        name = f'"{text.decode()}"'
        if name in self._lookups:
            offset = self._lookups[name]
            if offset is None or data[offset : offset + len(text) + 1] == text + b"\0":
                return offset
        self._lookups[name] = offset = string_offset(data, self._image, text)
        return offset

    def _layout_number(self, name: str) -> int:
        if self._layouts is None:
            self._layouts = self._read_layouts()
        if name not in self._layouts:
            raise SymbolMissing(name, "the kernel file has no debug information for it")
        return self._layouts[name]

    def _read_layouts(self) -> dict[str, int]:
        numbers: dict[str, int] = {}
        with suppress(UserError, SymbolMissing), closing(open_file(self._image.elf)) as data:
            function = self._symbols.address(printk.DESCRIBED_AT)
            for structure, layout in struct_layouts(data, self._image.elf, function, printk.STRUCTURES).items():
                numbers[printk.size_name(structure)] = layout.size
                for member, offset in layout.members.items():
                    numbers[printk.offset_name(structure, member)] = offset
        return numbers

    def prefetch(self) -> None:
        """Look up the names that the first stops will need, before the user waits for them."""
        for name in probed_names(self._image):
            with suppress(SymbolMissing):
                self.address(name)


def probe(target: Target, image: ImageFacts | None) -> dict[str, int]:
    """Return the link addresses of the probed symbols and strings that the kernel has."""
    addresses = {}
    for name in probed_names(image):
        with suppress(SymbolMissing):
            addresses[name] = target.symbol(name)
    return addresses


def string_offset(data: Buffer, image: ImageFacts, text: bytes) -> int | None:
    """Return the offset in the file of a NUL-terminated string; None if no load segment of the file contains it."""
    ranges = _file_ranges(data, image)
    found = (next(occurrences(data, text + b"\0", start, end), None) for start, end in ranges)
    return next((offset for offset in found if offset is not None), None)


def _file_ranges(data: Buffer, image: ImageFacts) -> list[tuple[int, int]]:
    """Return the ranges of file offsets that may contain strings, at most 64 MiB.

    These are the data sections if the file has section headers (a fifth of a kernel), otherwise the load segments.
    """
    loaded = [(segment.offset, segment.offset + min(segment.filesz, segment.memsz)) for segment in image.segments]
    segments = merged(loaded, len(data), SEARCHED)
    try:
        elf = read_elf(data, image.path)
    except UserError:
        return segments
    if elf.section(b".rodata") is None:
        return segments
    sections = (section for section in elf.sections if elf.section_name(section) in DATA_SECTIONS)
    whole = merged(((section.offset, section.offset + section.size) for section in sections), len(data), SEARCHED)
    return [(start, end) for start, end in whole if _is_in(start, segments)]


def _is_in(offset: int, ranges: list[tuple[int, int]]) -> bool:
    """Return whether one of the sorted ranges contains an offset."""
    index = bisect_right(ranges, offset, key=itemgetter(0)) - 1
    return index >= 0 and offset < ranges[index][1]


def link_address(image: ImageFacts, offset: int) -> int | None:
    """Return the link address of the byte at an offset in the file; None if that byte is not loaded."""
    return next(
        (
            offset - segment.offset + segment.vaddr
            for segment in image.segments
            if 0 <= offset - segment.offset < min(segment.filesz, segment.memsz)
        ),
        None,
    )
