"""Which fields lie in a range of memory, to explain raw bytes."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.tui.screen.by_id import CACHED, ById
from pvhdbg.tui.views import shown, table

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import Rows
    from pvhdbg.views.rows.row import Row

NAMED = 6
"""How many paths are named. The sign `…` stands for all others."""
_LONGEST = 1 << 16
"""The size of the longest row in bytes. It is a string."""


def names(screen: Screen, paddr: int, size: int) -> str:
    """Name the fields in a range of memory, in one sentence. Return "" if there are none."""
    views = [view for view in table.VIEWS if view.captures]
    rows = [row for view in views for row in _rows_in(shown.capture_rows(screen, view), paddr, size)]
    paths = list(dict.fromkeys(row.path for row in rows))
    return "Fields here: " + ", ".join(paths[:NAMED]) + (" …" if len(paths) > NAMED else "") + "." if paths else ""


def _rows_in(rows: Rows, paddr: int, size: int) -> list[Row]:
    by_address = _by_address(ById(rows))
    last = bisect_left(by_address, (paddr + size,), key=lambda item: item[:1])
    first = bisect_left(by_address, (paddr - _LONGEST,), key=lambda item: item[:1])
    return [row for start, _, row in by_address[first:last] if start + len(row.raw) > paddr]


@lru_cache(CACHED)
def _by_address(rows: ById[Rows]) -> list[tuple[int, int, Row]]:
    """Return the rows that have bytes, sorted by address. Of a structure, only the fields are included."""
    items = [(row.address, index, row) for index, row in enumerate(rows.value) if row.address is not None and row.raw]
    leaves = [item for item in items if item[2].fields and not _is_structure(item[2])]
    return sorted(leaves or items, key=lambda item: item[:2])


def _is_structure(row: Row) -> bool:
    field = row.field()
    return field is not None and field.ctype.startswith("struct ")
