"""What kind of memory is at a physical address, according to the memory map and to the machine."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_TYPES, RAM
from pvhdbg.tui.lines.line import clean
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.views.rows import memory_picture
from pvhdbg.views.rows.memory_picture import NOT_LISTED, Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.stop.capture import MapRecord
    from pvhdbg.target.monitor import Region
    from pvhdbg.tui.screen.state import Bytes, Screen

_KINDS = {"ram": "RAM", "rom": "ROM", "romd": "ROM", "ramd": "RAM", "i/o": "a device"}
READS_AS_ZERO = "no memory, reads as 0"
RAM_LISTED = E820_TYPES.name(RAM)


def describe(screen: Screen, paddr: int) -> str:
    """Describe what the memory map lists at an address, and what the machine has there, as far as each is known."""
    entries, known = _entries(screen), []
    if entries:
        known.append(f"map: {_listed_as(ById(entries), paddr)}")
    if screen.bytes.regions is not None:
        known.append(f"machine: {_on_machine(screen.bytes.regions, paddr)}")
    return "; ".join(known)


def describe_unusual(screen: Screen, paddr: int) -> str:
    """Describe the memory at an address. Return "" if it is ordinary RAM."""
    entries, regions = _entries(screen), screen.bytes.regions
    is_listed = not entries or _listed_as(ById(entries), paddr) == RAM_LISTED
    is_ram = regions is None or any(region.start <= paddr < region.end and region.kind == "ram" for region in regions)
    return "" if is_listed and is_ram else describe(screen, paddr)


def in_kernel(screen: Screen, paddr: int, size: int) -> str:
    """Name the part of the kernel at an address: the symbol if bytes there are selected, otherwise the link address."""
    linked, selected = screen.image.to_vaddr(paddr) if screen.image else None, screen.bytes.selected[0]
    if linked is None:
        return ""
    if screen.bytes.name and paddr <= selected < paddr + size:
        return f"Kernel: {clean(screen.bytes.name)} at {selected - paddr + linked:#x}."
    return f"Kernel: link address {linked:#x}."


def end_of_ram(screen: Screen) -> int | None:
    """Return one past the last address that is listed as RAM; None if no memory map is known."""
    entries = _entries(screen)
    return _end_of_ram(parts(ById(entries))) if entries else None


def has_no_memory(memory: Bytes, paddr: int, size: int) -> bool:
    """Return whether the machine is known to have no memory in this range. QEMU reads zeros there."""
    regions = memory.regions
    return regions is not None and not any(region.start < paddr + size and paddr < region.end for region in regions)


def _entries(screen: Screen) -> Sequence[MapRecord]:
    """Return the entries of e820_table if it was captured, otherwise the memory map's, as in the picture."""
    capture, map_capture = screen.capture, screen.latest_with_map
    if capture is not None and capture.e820_table:
        return capture.e820_table.entries
    return map_capture.memory_map.entries if map_capture and map_capture.memory_map else ()


def _listed_as(entries: ById[Sequence[MapRecord]], paddr: int) -> str:
    listed = parts(entries)
    index = bisect_right(listed, paddr, key=lambda part: part.start) - 1
    kind = listed[index].kind if index >= 0 and paddr < listed[index].end else NOT_LISTED
    return "beyond all RAM" if kind == NOT_LISTED and paddr >= _end_of_ram(listed) else kind


def _end_of_ram(parts: Sequence[Part]) -> int:
    return max((part.end for part in parts if part.kind == RAM_LISTED), default=0)


@lru_cache(8)
def parts(entries: ById[Sequence[MapRecord]]) -> list[Part]:
    """Return the parts of memory that the map lists, from which the picture of memory is drawn too."""
    return memory_picture.parts(entries.value)


def _on_machine(regions: Sequence[Region], paddr: int) -> str:
    region = next((region for region in regions if region.start <= paddr < region.end), None)
    if region is None:
        return READS_AS_ZERO
    return f"{_KINDS.get(region.kind, clean(region.kind))} ({clean(region.name)})"
