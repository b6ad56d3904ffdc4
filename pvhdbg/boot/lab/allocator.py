"""Where new structures go: the lowest RAM that is clear of everything the guest still needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

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
# What every PC has, for a guest that was given no map.
CONVENTIONAL = (0, 0x9F000)


class Room:
    """RAM from 0x10000 up to where a kernel's early page tables end, and what of it is taken."""

    def __init__(
        self, ram: Iterable[AddressRange], taken: Iterable[AddressRange], reach: int = EARLY_MAP_LIMIT
    ) -> None:
        self._reach = reach
        within = ((max(start, LOWEST), min(end, reach)) for start, end in ram)
        self._free = ranges.minus(within, taken)

    def place(self, size: int) -> int:
        """The lowest free address for `size` bytes, which are taken from now on.

        :raise UserError: if there is none.
        """
        for start, end in self._free:
            at = -(-start // ALIGNMENT) * ALIGNMENT
            if at + size <= end:
                self._free = ranges.minus(self._free, [(at, at + size)])
                return at
        raise UserError(f"no free RAM below {self._reach:#x} for {size} bytes")


def room(capture: Capture, image: ImageFacts | None) -> Room:
    """The room at an entry that nothing has been changed at yet."""
    return Room(_ram(capture), _taken(capture, image), guaranteed_limit(image, capture.symbols))


def _ram(capture: Capture) -> list[AddressRange]:
    """The map's RAM, without what the map also lists as something else."""
    entries = capture.memory_map.entries if capture.memory_map else ()
    return ram_ranges(decode_entries(entries)) or [CONVENTIONAL]


def _taken(capture: Capture, image: ImageFacts | None) -> Iterator[AddressRange]:
    """The kernel, the modules, and every byte that led to something."""
    for each in (*regions.kernel(image), *regions.modules(capture.modules or ())):
        yield each.start, each.end
    if capture.start_info and capture.start_info.at is not None:
        yield capture.start_info.at, capture.start_info.at + StartInfo.SIZE
    yield from ((start, start + len(data)) for start, data in capture.memory)
