"""Which rules a kernel follows from start_info to boot_params: facts of its image, each probed by itself.

Never from its version, and never from what it made of a boot: a model that is chosen by its outcome predicts nothing.
Sources: Linux arch/x86/platform/pvh/enlighten.c and arch/x86/kernel/e820.c (5.0 to 7.3), and the RFC of 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.e820 import ZERO_PAGE_ENTRIES, BootE820Entry, E820Table
from pvhdbg.abi.setup_header import PVH_VERSION, RFC_VERSION
from pvhdbg.boot.stop.early_maps import EarlyMaps, early_maps
from pvhdbg.boot.stop.kernel_probe import ANY_STRING, E820_STRING, E820_TABLES

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts


class KernelBehavior(NamedTuple):
    """What a kernel does, as far as that is known; null for a fact that is not.

    `memmap` and `e820_module` say where it takes the map from: the memmap table, a module called "e820 data", either.
    `sets_rsdp` is whether acpi_rsdp_addr becomes rsdp_paddr. `xen` is whether CPUID shows Xen's leaves, which is no
    matter of the image. `versions` are the values that hdr.version may get: no image tells. `early` is what it can read
    in xen_prepare_pvh. `fewest_entries` is the least number of entries for which its e820 code takes a map, `capacity`
    the most that its table holds.
    """

    memmap: bool | None = None
    e820_module: bool | None = None
    sets_rsdp: bool | None = None
    xen: bool | None = None
    versions: tuple[int, ...] = (PVH_VERSION, RFC_VERSION)
    early: EarlyMaps | None = EarlyMaps()
    fewest_entries: int | None = None
    capacity: int | None = None


def kernel_behavior(
    symbols: Mapping[str, int], *, e820_name: bool | None, image: ImageFacts | None = None, xen: bool | None = None
) -> KernelBehavior:
    """The rules of a kernel; without an `image` it is taken for one of 64 bits.

    `symbols` are those of the probed that it has; without xen_prepare_pvh among them, its symbols are not known.
    `e820_name` is whether its image holds the string "e820 data", null if nobody looked.
    """
    rules = KernelBehavior(xen=xen, early=early_maps(image, symbols))
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


def behavior_at(capture: Capture, image: ImageFacts, *, xen: bool | None) -> KernelBehavior:
    """The rules as a stop has recorded them: by the symbols and strings that were asked for there."""
    return behavior_from_symbols(capture.symbols, image, xen=xen)


def behavior_from_symbols(found: Mapping[str, int], image: ImageFacts, *, xen: bool | None) -> KernelBehavior:
    """The rules by what `probed` found."""
    e820_name = True if E820_STRING in found else False if ANY_STRING in found else None
    return kernel_behavior(found, e820_name=e820_name, image=image, xen=xen)


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
    """The zero page's entries and three more for each node that the kernel was configured for."""
    places = sorted(symbols[name] for name in E820_TABLES if name in symbols)
    if len(places) < len(E820_TABLES):
        return None
    size = min(after - before for before, after in pairwise(places))
    nodes = ((size - E820Table.SIZE) // BootE820Entry.SIZE - ZERO_PAGE_ENTRIES) // 3
    return ZERO_PAGE_ENTRIES + 3 * nodes if nodes > 0 else None
