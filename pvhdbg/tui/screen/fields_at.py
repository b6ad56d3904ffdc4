"""Which fields lie in a range of memory: what links bytes to what they mean."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.tui.screen import state, view_rows
from pvhdbg.tui.screen.by_id import ById

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.screen.view_rows import Rows
    from pvhdbg.views.rows.row import Row

SEARCHED = (state.START_INFO, state.MODULES, state.MEMORY, state.BOOT_PARAMS)
NAMED = 6
_LONGEST = 1 << 16


def names(screen: Screen, paddr: int, size: int) -> str:
    """The paths of what lies there, as words; the empty string where nothing does."""
    found = [row for view in SEARCHED for row in _there(view_rows.of_capture(screen, view), paddr, size)]
    paths = list(dict.fromkeys(row.path for row in found))
    return "Here: " + ", ".join(paths[:NAMED]) + (" …" if len(paths) > NAMED else "") + "." if paths else ""


def _there(rows: Rows, paddr: int, size: int) -> list[Row]:
    placed = _placed(ById(rows))
    last = bisect_left(placed, (paddr + size,), key=lambda each: each[:1])
    first = bisect_left(placed, (paddr - _LONGEST,), key=lambda each: each[:1])
    return [row for start, _, row in placed[first:last] if start + len(row.raw) > paddr]


@lru_cache(view_rows.KEPT)
def _placed(rows: ById[Rows]) -> list[tuple[int, int, Row]]:
    """The rows with bytes, by address; of a structure its fields alone."""
    found = [(row.address, at, row) for at, row in enumerate(rows.it) if row.address is not None and row.raw]
    leaves = [each for each in found if each[2].fields and not _is_outer(each[2])]
    return sorted(leaves or found, key=lambda each: each[:2])


def _is_outer(row: Row) -> bool:
    field = row.field()
    return field is not None and field.ctype.startswith("struct ")
