"""How a kernel turns start_info into boot_params: facts about its image, each probed separately.

The behavior is derived from the kernel's symbols and strings. It is not derived from the version, because distributions
backport changes, nor from the result of a boot, because a model chosen by the result predicts nothing. Sources: Linux
arch/x86/platform/pvh/enlighten.c and arch/x86/kernel/e820.c (5.0 to 7.3), and the 2017 RFC patches.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import ZERO_PAGE_ENTRIES, BootE820Entry, E820Table
from pvhdbg.abi.setup_header import PVH_VERSION, RFC_VERSION
from pvhdbg.boot.stop.early_maps import EarlyMaps, early_maps
from pvhdbg.boot.stop.kernel_probe import ANY_STRING, E820_STRING, E820_TABLES
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts


class KernelBehavior(NamedTuple):
    """What a kernel does. A fact is None if it is not known.

    `memmap` is true if the kernel reads the map from the memmap table, `e820_module` if it reads the map from a module
    named "e820 data". `sets_rsdp` is true if it copies rsdp_paddr to acpi_rsdp_addr. `xen` is true if CPUID shows Xen's
    leaves: a property of the machine, not of the image. `versions` are the values that hdr.version may get; the image
    does not show which. `early` is the memory that the kernel has mapped in xen_prepare_pvh. `fewest_entries` is the
    smallest map that its e820 code accepts, `capacity` the most entries that its e820_table holds.
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
    """Return the behavior of a kernel. Without an `image`, the kernel is assumed to be 64-bit.

    `symbols` has the probed symbols that the kernel has. If xen_prepare_pvh is not among them, pvhdbg does not know the
    kernel's symbols. `e820_name` is whether the image contains the string "e820 data", None if this was not checked.
    """
    behavior = KernelBehavior(xen=xen, early=early_maps(image, symbols))
    if "xen_prepare_pvh" not in symbols:
        return behavior
    memmap, module = _map_sources(symbols, e820_name)
    return behavior._replace(
        memmap=memmap,
        e820_module=module,
        sets_rsdp=None if memmap is None else memmap and "pvh_get_root_pointer" not in symbols,
        fewest_entries=2 if _rejects_single_entry(symbols) else None,
        capacity=_capacity(symbols),
    )


def behavior_at(capture: Capture, image: ImageFacts, *, xen: bool | None) -> KernelBehavior:
    """Return the kernel's behavior according to the symbols and strings in a capture."""
    return behavior_from_symbols(capture.symbols, image, xen=xen)


def behavior_from_symbols(symbols: Mapping[str, int], image: ImageFacts, *, xen: bool | None) -> KernelBehavior:
    """Return the kernel's behavior according to the result of `probe`: symbols, and strings in double quotes."""
    e820_name = True if E820_STRING in symbols else False if ANY_STRING in symbols else None
    return kernel_behavior(symbols, e820_name=e820_name, image=image, xen=xen)


def _map_sources(symbols: Mapping[str, int], e820_name: bool | None) -> tuple[bool | None, bool | None]:
    """Return whether the kernel reads the map from the memmap table, and whether from an "e820 data" module."""
    if "map_from_memmap" in symbols and "map_from_e820_module" in symbols:
        return True, True
    if e820_name is None:
        return None, None
    if e820_name:
        return False, True
    return ("mem_map_via_hcall" in symbols or None), False


def _rejects_single_entry(symbols: Mapping[str, int]) -> bool:
    return "__append_e820_table" in symbols or "map_from_memmap" in symbols


def _capacity(symbols: Mapping[str, int]) -> int | None:
    """Return how many entries e820_table holds: 128, plus three for each NUMA node that the kernel supports.

    Return None if the symbols do not show it.
    """
    addresses = sorted(symbols[name] for name in E820_TABLES if name in symbols)
    if len(addresses) < len(E820_TABLES):
        return None
    size = min(after - before for before, after in pairwise(addresses))
    nodes = ((size - E820Table.SIZE) // BootE820Entry.SIZE - ZERO_PAGE_ENTRIES) // 3
    return ZERO_PAGE_ENTRIES + 3 * nodes if nodes > 0 else None
