"""The entries of a memory map of either protocol, decoded once, and what of memory they list as RAM."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.e820 import RAM
from pvhdbg.abi.start_info import MemmapTableEntry
from pvhdbg.boot.stop import ranges

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pvhdbg.boot.stop.capture import MapRecord
    from pvhdbg.boot.stop.ranges import AddressRange


class MapEntry(NamedTuple):
    """An entry's numbers: a guest may list thousands. `end` may be above 2^64."""

    addr: int
    size: int
    type: int
    end: int
    reserved: int
    at: int | None


def listed(entries: Iterable[MapRecord]) -> tuple[MapEntry, ...]:
    return tuple(map(_listed, entries))


def _listed(entry: MapRecord) -> MapEntry:
    addr, size = entry.addr, entry.size
    reserved = entry.reserved if isinstance(entry, MemmapTableEntry) else 0
    return MapEntry(addr, size, entry.type, addr + size, reserved, entry.at)


def ram(entries: Iterable[MapEntry]) -> list[AddressRange]:
    """What is listed as RAM and as nothing else."""
    usable: list[AddressRange] = []
    others: list[AddressRange] = []
    for each in entries:
        (usable if each.type == RAM else others).append((each.addr, each.end))
    return ranges.minus(usable, others)
