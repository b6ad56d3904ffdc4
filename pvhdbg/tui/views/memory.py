"""memory: the memory map from the VMM, below the kernel's e820_table once that exists, and a picture of memory."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.stop.protocols import NO_MAP
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.views.report import tables
from pvhdbg.views.rows import map_rows, text
from pvhdbg.views.rows.row import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.stop.capture import Capture, MapRecord
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import Rows

CANNOT_BE_READ = "PVH212"
"""The rule for a memory map where the machine has no memory."""


def decode(capture: Capture, map_capture: Capture, _unfolded: bool) -> Rows:
    if capture.memory_map:
        return tuple(map_rows.memory_map_rows(capture))
    kernel_table = [_compared(row, map_capture) for row in map_rows.e820_rows(capture)] if capture.e820_table else []
    if map_capture is capture:
        return tuple(kernel_table or map_rows.memory_map_rows(capture))
    between = Row("", f"memory map, as captured at {map_capture.stage}", "")
    return (*kernel_table, between, *map_rows.memory_map_rows(map_capture))


def _compared(row: Row, map_capture: Capture) -> Row:
    """Return the row of e820_table with a sign that shows whether the memory map has the same entry."""
    if not row.columns or not map_capture.memory_map:
        return row
    same = row.columns[1:4] in _listed_ranges(ById(map_capture))
    *cells, gap = row.columns
    sign = f"{tables.KEPT} same" if same else f"{tables.NEW} new"
    words = "as in the memory map" if same else "not in the memory map: made by the kernel"
    return row._replace(columns=(*cells, f"{sign}, {gap}" if gap else sign), meaning=f"{row.meaning}, {words}")


@lru_cache(8)
def _listed_ranges(map_capture: ById[Capture]) -> frozenset[tuple[str, ...]]:
    """Return range, size and type of each entry of the memory map, as its rows show them."""
    memory_map = map_capture.value.memory_map
    if memory_map is None:
        return frozenset()
    return frozenset(row.columns[1:4] for row in map_rows.entry_rows(memory_map.entries, ""))


def heading(screen: Screen, capture: Capture) -> str:
    if capture.e820_table:
        where = f"e820_table at {text.address(capture.e820_table.paddr)}"
        return f"{where}: {_summary(ById(capture.e820_table.entries))}"
    map_capture = screen.latest_with_map
    if map_capture is None or map_capture.memory_map is None:
        return "memory map"
    if map_capture.memory_map.protocol == NO_MAP:
        return "the VMM passed no memory map"
    what = f"memory map ({map_capture.memory_map.protocol})"
    if any(finding.code == CANNOT_BE_READ for finding in screen.findings):
        return f"{what}: {map_capture.memory_map.nr_entries} entries, which cannot be read"
    return f"{what}: {_summary(ById(map_capture.memory_map.entries))}"


@lru_cache(16)
def _summary(entries: ById[Sequence[MapRecord]]) -> str:
    return map_rows.summary(entries.value)
