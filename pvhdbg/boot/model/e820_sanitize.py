"""Compute the kernel's e820_table from the map in boot_params: sorted, one type per address, neighbors merged.

Source: Linux arch/x86/kernel/e820.c, e820__memory_setup_default and e820__update_table. The code is not a port: if
entries overlap, the larger type number wins, which can be computed without Linux's list of overlapping entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import RAM, ZERO_PAGE_ENTRIES, BootE820Entry, MapEntry
from pvhdbg.abi.layout import records
from pvhdbg.boot.stop.map_entries import decode_entries

if TYPE_CHECKING:
    from pvhdbg.boot.model.kernel_behavior import KernelBehavior

LOW_MEMORY, HIGH_MEMORY = 0x9F000, 0x100000
"""The RAM that a kernel assumes if it has no usable map: from 0 to LOW_MEMORY, and starting at HIGH_MEMORY (1 MiB) as
much as boot_params specifies.
"""

# Entries of these types (PRAM and SOFT_RESERVED) are never merged, because each may be a separate device.
NEVER_MERGED = (12, 0xEFFFFFFF)
TOP = 1 << 64


def map_entries(params: BootParams) -> tuple[MapEntry, ...] | None:
    """Return the first e820_entries entries, even past the table's 128; None if they extend past the structure."""
    start = BootParams.e820_table.offset
    end = start + params.e820_entries * BootE820Entry.SIZE
    if end > BootParams.SIZE:
        return None
    return decode_entries(records(BootE820Entry, params.raw[start:end], None))


def expected_e820_table(params: BootParams, behavior: KernelBehavior) -> tuple[MapEntry, ...] | None:
    """Return the e820_table that e820__memory_setup should make of boot_params.

    Return None if too little is known about the kernel's behavior.
    """
    entries = map_entries(params)
    fewest = behavior.fewest_entries
    capacity = behavior.capacity or ZERO_PAGE_ENTRIES
    if entries is None or (fewest is None and len(entries) == 1):
        return None
    if behavior.capacity is None and len(entries) > capacity:
        return None
    if len(entries) < (fewest or 1) or any(entry.end > TOP for entry in entries):
        entries = _default_map(params)
    return _update_table(entries[:capacity])[:capacity]


def _default_map(params: BootParams) -> tuple[MapEntry, ...]:
    above_kib = max(params.alt_mem_k, params.screen_info.ext_mem_k)
    return MapEntry(0, LOW_MEMORY, RAM), MapEntry(HIGH_MEMORY, above_kib << 10, RAM)


def _update_table(entries: Sequence[MapEntry]) -> tuple[MapEntry, ...]:
    """Do the same as e820__update_table: a map with one entry, or with an entry that ends at 2^64, stays unchanged."""
    if len(entries) < 2 or any(entry.end == TOP for entry in entries):
        return tuple(entries)
    return tuple(_merge([entry for entry in entries if entry.size]))


def _merge(entries: Sequence[MapEntry]) -> Iterator[MapEntry]:
    """Yield the merged entries.

    An edge is an address at which an entry begins or ends. The type is constant between adjacent edges, and an entry
    grows until the type changes.
    """
    start, last_type = 0, 0
    for edge in sorted({edge for entry in entries for edge in (entry.addr, entry.end)}):
        type_here = max((entry.type for entry in entries if entry.addr <= edge < entry.end), default=0)
        if type_here == last_type and type_here not in NEVER_MERGED:
            continue
        if last_type:
            yield MapEntry(start, edge - start, last_type)
        start, last_type = edge, type_here
