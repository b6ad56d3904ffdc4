"""What of physical memory a Linux can read in xen_prepare_pvh: what is handed over and lies elsewhere is its death.

Sources: Linux arch/x86/platform/pvh/head.S, arch/x86/kernel/head_64.S; of 32 bits head32.c, mk_early_pgtbl_32, and
head_32.S for PAGE_TABLE_SIZE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pvhdbg.image.facts import ImageFacts

EARLY_MAP_LIMIT = 1 << 30
"""How much physical memory the page tables show under which xen_prepare_pvh of a 64-bit Linux runs."""

KERNEL_MAP, KERNEL_MAP_SIZE = 0xFFFFFFFF80000000, 512 << 20
DIRECT_MAP_32 = 0xC0000000
END, PAE_TABLES = "_end", "initial_pg_pmd"
"""Symbols of a 32-bit kernel: where its image ends, and what only one with PAE has."""
_PAGE = 0x1000


class EarlyMaps(NamedTuple):
    """`reach` bytes of physical memory from 0 are shown at the start of the direct map, and at 0 too. `bits` are those
    of a virtual address. A 64-bit kernel is shown at its own place besides.
    """

    direct_map: int = 0xFFFF888000000000
    limit: int = EARLY_MAP_LIMIT
    bits: int = 64

    def accessed_paddr(self, paddr: int, size: int) -> int | None:
        """Where the kernel really reads `size` bytes at a physical address, null if not all of it is mapped.

        That is elsewhere where the sum of it and the direct map's start wraps round into another map.
        """
        vaddr = self.direct_map + paddr & (1 << self.bits) - 1
        maps = ((self.direct_map, self.limit), (0, self.limit), (KERNEL_MAP, KERNEL_MAP_SIZE))
        found = (vaddr - start for start, length in maps if start <= vaddr and vaddr + size <= start + length)
        return next(found, None)

    def direct_map_paddr(self, vaddr: int) -> int | None:
        """The physical address for which the kernel went to a virtual one of its direct map, null below that."""
        return None if vaddr < self.direct_map else vaddr - self.direct_map


def early_maps(image: ImageFacts | None, symbols: Mapping[str, int]) -> EarlyMaps | None:
    """A kernel's, by its symbols; null for one of 32 bits that does not tell where it ends.

    That one maps itself, and behind its end what the page tables of all low memory would take; whole tables are filled.
    """
    if image is None or image.elf_class == 64:
        return EarlyMaps()
    end = symbols.get(END)
    paddr = None if end is None else image.physical(end - 1)
    if end is None or paddr is None:
        return None
    direct_map = end - 1 - paddr
    entries, directories = (512, 4) if PAE_TABLES in symbols else (1024, 0)
    low_memory = ((1 << 32) - direct_map) // _PAGE
    limit = paddr + 1 + (low_memory // entries + directories) * _PAGE
    shown_by_a_table = entries * _PAGE
    return EarlyMaps(direct_map, -(-limit // shown_by_a_table) * shown_by_a_table, 32)


def guaranteed_limit(image: ImageFacts | None, symbols: Mapping[str, int]) -> int:
    """As much of physical memory from 0 as is sure to be shown, in bytes; for want of symbols up to the image's end."""
    maps = early_maps(image, symbols)
    return maps.limit if maps else max((each.end for each in image.segments), default=0) if image else EARLY_MAP_LIMIT
