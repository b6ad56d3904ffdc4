"""Decode memory-map entries to plain numbers, and find the RAM in a map.

A map entry has one of two C layouts: hvm_memmap_table_entry (24 bytes) in the table that start_info points to, or
boot_e820_entry (20 bytes, packed) in an "e820 data" module, in boot_params and in the kernel's e820_table. A Capture
keeps these records, because views show their bytes and addresses. Code that computes with a map decodes the records to
MapEntry first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import RAM, MapEntry
from pvhdbg.boot.stop import ranges

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pvhdbg.boot.stop.capture import MapRecord
    from pvhdbg.boot.stop.ranges import AddressRange


def decode_entries(records: Iterable[MapRecord]) -> tuple[MapEntry, ...]:
    return tuple(MapEntry(record.addr, record.size, record.type) for record in records)


def ram_ranges(entries: Iterable[MapEntry]) -> list[AddressRange]:
    """Return the ranges that the map lists only as RAM, not also as another type, in ascending order."""
    usable: list[AddressRange] = []
    unusable: list[AddressRange] = []
    for entry in entries:
        (usable if entry.type == RAM else unusable).append((entry.addr, entry.end))
    return ranges.minus(usable, unusable)


def installed_ranges(entries: Iterable[MapEntry]) -> list[AddressRange]:
    """Return the ranges of RAM, with those that firmware has reserved where RAM ends: SeaBIOS has its tables there."""
    listed = list(entries)
    ram = ram_ranges(listed)
    ends = {end for _, end in ram}
    return ranges.union([*ram, *((entry.addr, entry.end) for entry in listed if entry.addr in ends)])
