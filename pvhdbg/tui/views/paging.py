"""paging: how addresses are translated, entry by entry, and what is mapped where."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import page_tables
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.views.view import Detail
from pvhdbg.views.rows import cpu_rows, paging_rows

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import Rows


def rows(screen: Screen) -> Rows:
    return () if screen.capture is None else _rows(ById(screen.capture), screen.walked)


@lru_cache(8)
def _rows(capture: ById[Capture], address: int | None) -> Rows:
    return tuple(paging_rows.paging_rows(capture.value, page_tables.of_capture(capture.value), address))


def detail(_screen: Screen, rows: Rows, index: int) -> Detail:
    """Return the row in full, and explain paging."""
    if index >= len(rows):
        return Detail()
    row = rows[index]
    return Detail(note=f"{row.value}: {row.meaning}." if row.meaning else "", topic="paging")


def heading(_screen: Screen, capture: Capture) -> str:
    return cpu_rows.paging_words(capture)
