"""Memory maps as rows: the map that was handed over, and e820 tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_TYPES, RAM, E820Table
from pvhdbg.boot.stop.protocols import E820_MODULE, MEMMAP, NO_MAP
from pvhdbg.views.rows import text
from pvhdbg.views.rows.row import Row, absent, below, field_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.stop.capture import Capture, MapRecord

PROTOCOLS = {
    MEMMAP: "start_info's own table of hvm_memmap_table_entry, version 1 on",
    E820_MODULE: 'module 1, named "e820 data": a count and packed entries, as in the RFC of 2017',
    NO_MAP: "no map was handed over",
}


def end(entry: MapRecord) -> int:
    """One past the last byte; of a hostile entry it may be past the last address there is."""
    return entry.addr + entry.size


def summary(entries: Sequence[MapRecord]) -> str:
    """`6 entries: 511.8 MiB of RAM`."""
    ram = sum(each.size for each in entries if each.type == RAM)
    return f"{text.counted(len(entries), 'entry', 'entries')}: {text.size(ram)} of RAM"


def gaps(entries: Sequence[MapRecord]) -> list[int]:
    """For each entry the bytes between it and the ranges below it; negative where it overlaps them."""
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
    return f"gap of {text.size(distance)} before" if distance > 0 else f"overlaps {text.size(-distance)}"


def entry_rows(entries: Sequence[MapRecord], path: str, *, fields: bool = False, base: int | None = None) -> list[Row]:
    """A row for each entry, with its fields below it if asked. `base` is the first entry's offset in a structure."""
    rows: list[Row] = []
    for index, (entry, distance) in enumerate(zip(entries, gaps(entries), strict=True)):
        offset = None if base is None else base + index * entry.SIZE
        rows.append(_entry_row(entry, index, f"{path}[{index}]", distance)._replace(offset=offset))
        if fields:
            rows += below([field_row(entry, each, f"{path}[{index}]") for each in entry.FIELDS], base=offset or 0)
    return rows


def _entry_row(entry: MapRecord, index: int, path: str, distance: int) -> Row:
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
        columns=(f"[{index}]", span, size, kind, gap),
    )


def memory_map_rows(capture: Capture, *, fields: bool = False) -> list[Row]:
    """The map that was handed over: its protocol, place and count, then its entries."""
    found = capture.memory_map
    if found is None:
        return [absent(capture, "memory_map")]
    place = (
        absent(capture, "memory_map.paddr", "paddr")
        if found.paddr is None
        else Row("memory_map.paddr", "paddr", text.address(found.paddr), leads_to=found.paddr)
    )
    return [
        Row("memory_map.protocol", "protocol", found.protocol, PROTOCOLS[found.protocol]),
        place,
        Row(
            "memory_map.nr_entries", "nr_entries", str(found.nr_entries), capture.missing.get("memory_map.entries", "")
        ),
        *entry_rows(found.entries, "memory_map.entries", fields=fields),
    ]


def e820_rows(capture: Capture, *, fields: bool = False) -> list[Row]:
    """The kernel's e820_table: its count, then its entries."""
    found = capture.e820_table
    if found is None:
        return [absent(capture, "e820_table")]
    meaning = capture.missing.get("e820_table", "")
    return [
        Row("e820_table", "nr_entries", str(found.nr_entries), meaning, address=found.paddr, offset=0),
        *entry_rows(found.entries, "e820_table", fields=fields, base=E820Table.SIZE),
    ]
