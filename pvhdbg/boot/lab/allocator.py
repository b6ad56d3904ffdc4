"""Allocate guest memory for new structures: the lowest RAM that the guest does not need for anything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pvhdbg.abi.alignment import align_up
from pvhdbg.abi.start_info import StartInfo
from pvhdbg.boot.stop import ranges, regions
from pvhdbg.boot.stop.early_maps import EARLY_MAP_LIMIT, guaranteed_limit
from pvhdbg.boot.stop.map_entries import decode_entries, ram_ranges
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.ranges import AddressRange
    from pvhdbg.image.facts import ImageFacts

LOWEST = 0x10000
ALIGNMENT = 16
# RAM that every PC has. It is used if the VMM passed no memory map.
CONVENTIONAL_RAM = (0, 0x9F000)


class Allocator:
    """The free RAM from LOWEST up to `limit`, the end of the memory that the kernel's early page tables map."""

    def __init__(self, ram: Iterable[AddressRange], used: Iterable[AddressRange], limit: int = EARLY_MAP_LIMIT) -> None:
        self._limit = limit
        reachable = ((max(start, LOWEST), min(end, limit)) for start, end in ram)
        self._free = ranges.minus(reachable, used)

    def allocate(self, size: int) -> int:
        """Return the lowest free physical address for `size` bytes, and mark the bytes as used.

        :raise UserError: if there is no free range of that size.
        """
        for start, end in self._free:
            paddr = align_up(start, ALIGNMENT)
            if paddr + size <= end:
                self._free = ranges.minus(self._free, [(paddr, paddr + size)])
                return paddr
        raise UserError(f"no free RAM below {self._limit:#x} for {size} bytes")


def allocator_at(entry: Capture, image: ImageFacts | None) -> Allocator:
    """Return the allocator for an entry stop whose boot data has not been changed yet."""
    return Allocator(_ram(entry), _used(entry, image), guaranteed_limit(image, entry.symbols))


def _ram(entry: Capture) -> list[AddressRange]:
    """Return the ranges that the map lists as RAM, without any parts that it also lists as another type."""
    records = entry.memory_map.entries if entry.memory_map else ()
    return ram_ranges(decode_entries(records)) or [CONVENTIONAL_RAM]


def _used(entry: Capture, image: ImageFacts | None) -> Iterator[AddressRange]:
    """Yield the kernel, the modules, start_info and every range that was read at the stop."""
    for region in (*regions.kernel(image), *regions.modules(entry.modules or ())):
        yield region.start, region.end
    if entry.start_info and entry.start_info.at is not None:
        yield entry.start_info.at, entry.start_info.at + StartInfo.SIZE
    yield from ((start, start + len(data)) for start, data in entry.memory)
