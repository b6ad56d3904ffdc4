"""Which rules a kernel follows from start_info to boot_params: facts of its image, each probed by itself.

Never from its version, and never from what it made of a boot: a model that is chosen by its outcome predicts nothing.
Sources: Linux arch/x86/platform/pvh/enlighten.c and arch/x86/kernel/e820.c (5.0 to 7.3), and the RFC of 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.e820 import E820_DATA, ZERO_PAGE_ENTRIES, BootE820Entry, E820Table
from pvhdbg.errors import SymbolMissing

if TYPE_CHECKING:
    from pvhdbg.boot.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.header import Buffer
    from pvhdbg.target.base import Target

EARLY_REACH = 1 << 30
"""How much physical memory the page tables show under which xen_prepare_pvh of a 64-bit Linux runs."""

E820_NAME = E820_DATA + b"\0"

# Static tables of one type: the least distance between two of them is its size, rounded up. It is made for the zero
# page's entries and three more for each node that the kernel was configured for.
_E820_TABLES = ("e820_table_init", "e820_table_kexec_init", "e820_table_firmware_init")

PROBED = (
    "xen_prepare_pvh",
    "pvh_bootparams",
    "mem_map_via_hcall",  # since Linux 5.0, which brought the memmap table
    "pvh_get_root_pointer",  # how the RSDP went past boot_params, up to 7271cb98e498
    "__append_e820_table",  # whose caller refused a map of one entry
    "map_from_memmap",  # the teaching guest's two ways
    "map_from_e820_module",
    *_E820_TABLES,
)
"""The symbols that the facts are read from."""


class KernelRules(NamedTuple):
    """What a kernel does, as far as that is known; null for a fact that is not.

    `memmap` and `e820_module` say where it takes the map from: the memmap table, a module called "e820 data", either.
    `sets_rsdp` is whether acpi_rsdp_addr becomes rsdp_paddr. `xen` is whether CPUID shows Xen's leaves, which is no
    matter of the image. `versions` are the values that hdr.version may get: no image tells. `reach` is how much of
    physical memory its early page tables show, in bytes. `fewest_entries` is the least number of entries for which its
    e820 code takes a map, `capacity` the most that its table holds.
    """

    memmap: bool | None = None
    e820_module: bool | None = None
    sets_rsdp: bool | None = None
    xen: bool | None = None
    versions: tuple[int, ...] = (0x20C, 0x212)
    reach: int | None = EARLY_REACH
    fewest_entries: int | None = None
    capacity: int | None = None


def kernel_rules(
    symbols: Mapping[str, int], *, e820_name: bool | None, elf_class: int = 64, xen: bool | None = None
) -> KernelRules:
    """The rules of a kernel.

    `symbols` are those of PROBED that it has; without xen_prepare_pvh among them, its symbols are not known.
    `e820_name` is whether a load segment holds the string "e820 data", null if nobody looked.
    """
    rules = KernelRules(xen=xen, reach=EARLY_REACH if elf_class == 64 else None)
    if "xen_prepare_pvh" not in symbols:
        return rules
    memmap, module = _map_from(symbols, e820_name)
    return rules._replace(
        memmap=memmap,
        e820_module=module,
        sets_rsdp=None if memmap is None else memmap and "pvh_get_root_pointer" not in symbols,
        fewest_entries=2 if _refuses_one(symbols) else None,
        capacity=_capacity(symbols),
    )


def probed(target: Target) -> dict[str, int]:
    """The symbols of PROBED that a kernel has."""
    found = {}
    for name in PROBED:
        with suppress(SymbolMissing):
            found[name] = target.symbol(name)
    return found


def e820_name_at(data: Buffer, image: ImageFacts) -> int | None:
    """The physical address at which the string "e820 data" is loaded, null if no load segment of the file holds it."""
    for each in image.segments:
        found = data.find(E820_NAME, each.offset, each.offset + min(each.filesz, each.memsz))
        if found >= 0:
            return found - each.offset + each.paddr
    return None


def rules_at(capture: Capture, image: ImageFacts, *, xen: bool | None) -> KernelRules:
    """The rules as a stop has recorded them: the symbols that were asked for, and the name if it was read there."""
    return kernel_rules(capture.symbols, e820_name=_holds_e820_name(capture, image), elf_class=image.elf_class, xen=xen)


def _holds_e820_name(capture: Capture, image: ImageFacts) -> bool:
    """Whether the name was read where the image was loaded, and not as a module's command line."""
    names = {each.cmdline.paddr for each in capture.modules or () if each.cmdline}
    for start, data in capture.memory:
        found = data.find(E820_NAME)
        while found >= 0:
            paddr = start + found
            if paddr not in names and any(each.paddr <= paddr < each.paddr + each.filesz for each in image.segments):
                return True
            found = data.find(E820_NAME, found + 1)
    return False


def _map_from(symbols: Mapping[str, int], e820_name: bool | None) -> tuple[bool | None, bool | None]:
    if "map_from_memmap" in symbols and "map_from_e820_module" in symbols:
        return True, True
    if e820_name is None:
        return None, None
    if e820_name:
        return False, True
    return ("mem_map_via_hcall" in symbols or None), False


def _refuses_one(symbols: Mapping[str, int]) -> bool:
    return "__append_e820_table" in symbols or "map_from_memmap" in symbols


def _capacity(symbols: Mapping[str, int]) -> int | None:
    places = sorted(symbols[name] for name in _E820_TABLES if name in symbols)
    if len(places) < len(_E820_TABLES):
        return None
    size = min(after - before for before, after in pairwise(places))
    nodes = ((size - E820Table.SIZE) // BootE820Entry.SIZE - ZERO_PAGE_ENTRIES) // 3
    return ZERO_PAGE_ENTRIES + 3 * nodes if nodes > 0 else None
