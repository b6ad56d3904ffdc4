"""Which memory a machine has, from the map of its firmware."""

from __future__ import annotations

from pvhdbg.abi.e820 import RAM, RESERVED, MapEntry
from pvhdbg.boot.stop.map_entries import installed_ranges, ram_ranges


def test_what_seabios_reserves_at_the_end_of_ram_is_memory() -> None:
    """SeaBIOS's map of QEMU 10's microvm with 512 MiB. The ROM below 4 GiB is not memory."""
    seabios = [
        MapEntry(0, 0x9FC00, RAM),
        MapEntry(0x9FC00, 0x400, RESERVED),
        MapEntry(0xF0000, 0x10000, RESERVED),
        MapEntry(0x100000, 0x1FFFF000 - 0x100000, RAM),
        MapEntry(0x1FFFF000, 0x1000, RESERVED),
        MapEntry(0xFFFC0000, 0x40000, RESERVED),
    ]

    assert [(0, 0xA0000), (0x100000, 0x20000000)] == installed_ranges(seabios)
    assert [(0, 0x9FC00), (0x100000, 0x1FFFF000)] == ram_ranges(seabios)
