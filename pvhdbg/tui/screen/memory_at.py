"""What lies at a physical address: what the memory map lists there, and what the machine has there."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_TYPES, RAM
from pvhdbg.tui.lines.line import clean
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.views.rows.memory_picture import NOT_LISTED, Part, parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.stop.capture import MapRecord
    from pvhdbg.target.monitor import Region
    from pvhdbg.tui.screen.state import Bytes, Screen

_KINDS = {"ram": "RAM", "rom": "ROM", "romd": "ROM", "ramd": "RAM", "i/o": "a device"}
READS_AS_ZERO = "nothing, reads as 0"
RAM_LISTED = E820_TYPES.name(RAM)


def words(screen: Screen, paddr: int) -> str:
    """Both, as far as they are known."""
    entries, found = _entries(screen), []
    if entries:
        found.append(f"map: {_listed(ById(entries), paddr)}")
    if screen.bytes.regions is not None:
        found.append(f"machine: {_there(screen.bytes.regions, paddr)}")
    return "; ".join(found)


def unusual(screen: Screen, paddr: int) -> str:
    """The words, unless it is RAM as far as anything is known: the empty string then."""
    entries, regions = _entries(screen), screen.bytes.regions
    listed = not entries or _listed(ById(entries), paddr) == RAM_LISTED
    there = regions is None or any(each.start <= paddr < each.end and each.kind == "ram" for each in regions)
    return "" if listed and there else words(screen, paddr)


def is_nothing(shown: Bytes, paddr: int, size: int) -> bool:
    """Whether it is known that the machine has nothing there: what is read is no memory."""
    regions = shown.regions
    return regions is not None and not any(each.start < paddr + size and paddr < each.end for each in regions)


def _entries(screen: Screen) -> Sequence[MapRecord]:
    """The kernel's own table, once there is one, as in the picture."""
    seen, given = screen.looked_at, screen.handover
    if seen is not None and seen.e820_table:
        return seen.e820_table.entries
    return given.memory_map.entries if given and given.memory_map else ()


def _listed(entries: ById[Sequence[MapRecord]], paddr: int) -> str:
    found = _parts(entries)
    at = bisect_right(found, paddr, key=lambda each: each.start) - 1
    kind = found[at].kind if at >= 0 and paddr < found[at].end else NOT_LISTED
    ram = [each.end for each in found if each.kind == RAM_LISTED]
    return "beyond all RAM" if kind == NOT_LISTED and paddr >= max(ram, default=0) else kind


@lru_cache(8)
def _parts(entries: ById[Sequence[MapRecord]]) -> list[Part]:
    return parts(entries.it)


def _there(regions: Sequence[Region], paddr: int) -> str:
    region = next((each for each in regions if each.start <= paddr < each.end), None)
    if region is None:
        return READS_AS_ZERO
    return f"{_KINDS.get(region.kind, clean(region.kind))} ({clean(region.name)})"
