"""The physical memory that Linux has mapped in xen_prepare_pvh. Reading boot data outside it is a fatal page fault.

Sources: Linux arch/x86/platform/pvh/head.S, arch/x86/kernel/head_64.S; for 32 bits head32.c, mk_early_pgtbl_32, and
head_32.S for PAGE_TABLE_SIZE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.alignment import align_up
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pvhdbg.image.facts import ImageFacts

EARLY_MAP_LIMIT = 1 << 30
"""The end of the physical memory that a 64-bit Linux has mapped in xen_prepare_pvh. The memory starts at 0."""

KERNEL_MAP, KERNEL_MAP_SIZE = 0xFFFFFFFF80000000, 512 << 20
DIRECT_MAP_32 = 0xC0000000
END, PAE_TABLES = "_end", "initial_pg_pmd"
"""Symbols of a 32-bit kernel: the end of its image, and a symbol that exists only in PAE kernels."""
_PAGE = 0x1000


class EarlyMaps(NamedTuple):
    """What the kernel's early page tables map: physical memory below `limit`, at address 0 and at `direct_map`.

    A 64-bit kernel is also mapped at its link address. `bits` is the width of a virtual address.
    """

    direct_map: int = 0xFFFF888000000000
    limit: int = EARLY_MAP_LIMIT
    bits: int = 64

    def accessed_paddr(self, paddr: int, size: int) -> int | None:
        """Return the physical address that the kernel really accesses when it reads `size` bytes at `paddr`.

        The two addresses differ if the start of the direct map plus `paddr` overflows into another map. Return None if
        any of the bytes is not mapped.
        """
        vaddr = self.direct_map + paddr & (1 << self.bits) - 1
        maps = ((self.direct_map, self.limit), (0, self.limit), (KERNEL_MAP, KERNEL_MAP_SIZE))
        offsets = (vaddr - start for start, length in maps if start <= vaddr and vaddr + size <= start + length)
        return next(offsets, None)

    def direct_map_paddr(self, vaddr: int) -> int | None:
        """Return the physical address that the direct map maps at `vaddr`; None if `vaddr` is below the direct map."""
        return None if vaddr < self.direct_map else vaddr - self.direct_map


def early_maps(image: ImageFacts | None, symbols: Mapping[str, int]) -> EarlyMaps | None:
    """Return the early maps of a kernel; None for a 32-bit kernel without the symbol `_end`.

    A 32-bit kernel maps all memory up to the end of its image, plus the space for page tables of all low memory,
    rounded up to what whole page tables map.
    """
    if image is None or image.elf_class == 64:
        return EarlyMaps()
    end = symbols.get(END)
    paddr = None if end is None else image.to_paddr(end - 1)
    if end is None or paddr is None:
        return None
    direct_map = end - 1 - paddr
    entries, directories = (512, 4) if PAE_TABLES in symbols else (1024, 0)
    low_memory = ((1 << 32) - direct_map) // _PAGE
    needed = paddr + 1 + (low_memory // entries + directories) * _PAGE
    mapped_by_a_table = entries * _PAGE
    return EarlyMaps(direct_map, align_up(needed, mapped_by_a_table), 32)


def guaranteed_limit(image: ImageFacts | None, symbols: Mapping[str, int]) -> int:
    """Return the end of the physical memory that is certainly mapped.

    It is the limit of the early maps, or the end of the image if the early maps are not known.
    """
    maps = early_maps(image, symbols)
    if maps:
        return maps.limit
    return max((segment.end for segment in image.segments), default=0) if image else EARLY_MAP_LIMIT
