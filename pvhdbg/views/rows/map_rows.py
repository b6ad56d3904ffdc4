"""Memory maps as rows: the map that the VMM passed, and e820 tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_TYPES, RAM, E820Table
from pvhdbg.boot.stop import ranges
from pvhdbg.boot.stop.map_entries import decode_entries, ram_ranges
from pvhdbg.boot.stop.protocols import E820_MODULE, HYPERCALL, MEMMAP, NO_MAP
from pvhdbg.views.rows import text
from pvhdbg.views.rows.row import Row, absent, below, field_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.stop.capture import Capture, MapRecord

PROTOCOLS = {
    MEMMAP: "hvm_memmap_table_entry[] at memmap_paddr (version 1)",
    E820_MODULE: 'module 1, named "e820 data": a count and packed entries (2017 RFC)',
    NO_MAP: "no memory map",
    HYPERCALL: "the answer of Xen to the kernel's hypercall XENMEM_memory_map, in pvh_bootparams",
}


def end(entry: MapRecord) -> int:
    """Return the address after the last byte. The end of a hostile entry may be above 2^64."""
    return entry.addr + entry.size


def summary(entries: Sequence[MapRecord]) -> str:
    """Return text such as `6 entries, 511.8 MiB of RAM`, and how much of the RAM is listed as another type too."""
    decoded = decode_entries(entries)
    listed = ranges.total(ranges.union((entry.addr, entry.end) for entry in decoded if entry.type == RAM))
    doubtful = listed - ranges.total(ram_ranges(decoded))
    also = f", {text.size(doubtful)} of it also listed as another type" if doubtful else ""
    return f"{text.counted(len(entries), 'entry')}, {text.size(listed)} of RAM{also}"


def gaps(entries: Sequence[MapRecord]) -> list[int]:
    """Return for each entry the number of bytes between it and the ranges below it, negative if they overlap."""
    distances = [0] * len(entries)
    reached = 0
    for at in sorted(range(len(entries)), key=lambda at: (entries[at].addr, entries[at].size)):
        start, stop = entries[at].addr, end(entries[at])
        distances[at] = start - min(reached, max(stop, start)) if start < reached else start - reached
        reached = max(reached, stop)
    return distances


def _gap_text(distance: int) -> str:
    if distance == 0:
        return ""
    return f"{text.size(distance)} gap before" if distance > 0 else f"{text.size(-distance)} overlap"


def entry_rows(entries: Sequence[MapRecord], path: str, *, fields: bool = False, base: int | None = None) -> list[Row]:
    """Return a row for each entry. If `fields` is set, the rows of the entry's fields follow.

    `base` is the offset of the first entry in the structure that contains the table.
    """
    rows: list[Row] = []
    for index, (entry, distance) in enumerate(zip(entries, gaps(entries), strict=True)):
        offset = None if base is None else base + index * entry.SIZE
        rows.append(_entry_row(entry, index, f"{path}[{index}]", distance, offset))
        if fields:
            rows += below([field_row(entry, field, f"{path}[{index}]") for field in entry.FIELDS], base=offset or 0)
    return rows


def _entry_row(entry: MapRecord, index: int, path: str, distance: int, offset: int | None) -> Row:
    span, size = text.span(entry.addr, end(entry)), text.size(entry.size)
    kind, gap = E820_TYPES.label(entry.type), _gap_text(distance)
    return Row(
        path=path,
        name=f"[{index}]",
        value=span,
        meaning=", ".join(filter(None, (f"{size} {kind}", gap))),
        address=entry.at,
        raw=entry.raw,
        leads_to=entry.addr,
        offset=offset,
        columns=(f"[{index}]", span, size, kind, gap),
    )


def memory_map_rows(capture: Capture, *, fields: bool = False) -> list[Row]:
    """Return the rows of the memory map that the VMM passed: protocol, address, number of entries, then the entries."""
    memory_map = capture.memory_map
    if memory_map is None:
        return [absent(capture, "memory_map")]
    paddr = (
        absent(capture, "memory_map.paddr", "paddr")
        if memory_map.paddr is None
        else Row("memory_map.paddr", "paddr", text.address(memory_map.paddr), leads_to=memory_map.paddr)
    )
    cut = capture.missing.get("memory_map.entries", "")
    return [
        Row("memory_map.protocol", "protocol", memory_map.protocol, PROTOCOLS[memory_map.protocol]),
        paddr,
        Row("memory_map.nr_entries", "nr_entries", str(memory_map.nr_entries), cut),
        *entry_rows(memory_map.entries, "memory_map.entries", fields=fields),
    ]


def e820_rows(capture: Capture, *, fields: bool = False) -> list[Row]:
    """Return the rows of the kernel's e820_table: the number of entries, then the entries."""
    table = capture.e820_table
    if table is None:
        return [absent(capture, "e820_table")]
    cut = capture.missing.get("e820_table", "")
    return [
        Row("e820_table", "nr_entries", str(table.nr_entries), cut, address=table.paddr, offset=0),
        *entry_rows(table.entries, "e820_table", fields=fields, base=E820Table.SIZE),
    ]
