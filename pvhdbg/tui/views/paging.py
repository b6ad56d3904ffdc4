"""paging: how addresses are translated, entry by entry, and what is mapped where."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import page_tables
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.views import row_lines
from pvhdbg.tui.views.view import Detail
from pvhdbg.views.rows import cpu_rows, paging_rows

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import Rows


def rows(screen: Screen) -> Rows:
    return () if screen.capture is None else _rows(ById(screen.capture), screen.walked)


@lru_cache(8)
def _rows(capture: ById[Capture], address: int | None) -> Rows:
    return tuple(paging_rows.paging_rows(capture.value, page_tables.of_capture(capture.value), address))


def draw(screen: Screen, rows: Rows, shown: range, width: int) -> list[Line]:
    """Draw the rows. The long names of the mapped ranges take no columns from the walks above them."""
    walks, mapped = _sections(ById(rows))
    count = len(walks)
    above = range(min(shown.start, count), min(shown.stop, count))
    below = range(max(shown.start - count, 0), max(shown.stop - count, 0))
    return [*row_lines.lines(screen, walks, above, width), *row_lines.lines(screen, mapped, below, width)]


@lru_cache(8)
def _sections(rows: ById[Rows]) -> tuple[Rows, Rows]:
    """Return the walks, and what is mapped: its heading is the last row that is not indented."""
    start = max((index for index, row in enumerate(rows.value) if not row.depth), default=0)
    return rows.value[:start], rows.value[start:]


def detail(_screen: Screen, rows: Rows, index: int) -> Detail:
    """Return the row in full, and explain paging."""
    if index >= len(rows):
        return Detail()
    row = rows[index]
    return Detail(note=f"{row.value}: {row.meaning}." if row.meaning else "", topic="paging")


def heading(_screen: Screen, capture: Capture) -> str:
    return cpu_rows.paging_words(capture)
