"""cpu: registers, segments, control registers and the GDT, with the CPU mode spelled out."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.views import row_lines
from pvhdbg.tui.views.view import detail_of_row
from pvhdbg.views.rows import cpu_rows, segment_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.changes import Before
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import Detail, Rows


def decode(capture: Capture, _map_capture: Capture, _unfolded: bool) -> Rows:
    return tuple(cpu_rows.cpu_rows(capture))


def heading(_screen: Screen, _capture: Capture) -> str:
    return "registers, segments and the GDT"


def draw(screen: Screen, rows: Rows, shown: range, width: int) -> Sequence[Line]:
    """Draw the rows; those of CR0, CR4 and EFER with the bits that changed. In a narrow pane, meanings are shorter."""
    marked = _with_changed_bits(ById(rows), ById(screen.old_values))
    room = row_lines.meaning_width(rows, width)
    if all(len(marked[index].meaning) <= room for index in shown):
        return row_lines.lines(screen, marked, shown, width)
    return row_lines.lines(screen, _short(ById(marked), ById(rows), ById(screen.old_values), room), shown, width)


@lru_cache(8)
def _short(marked: ById[Rows], rows: ById[Rows], before: ById[Before], room: int) -> Rows:
    pairs = zip(marked.value, rows.value, strict=True)
    return tuple(
        long if len(long.meaning) <= room else cpu_rows.shortened(row, before.value.get(row.path))
        for long, row in pairs
    )


@lru_cache(8)
def _with_changed_bits(rows: ById[Rows], before: ById[Before]) -> Rows:
    old = ((row, before.value.get(row.path)) for row in rows.value)
    return tuple(cpu_rows.with_changed_bits(row, value if isinstance(value, int) else None) for row, value in old)


def detail(screen: Screen, rows: Rows, index: int) -> Detail:
    """Return the findings about a row, its old value, and all fields of the descriptor that it shows."""
    found = detail_of_row(screen, rows, index)
    if screen.capture is None or index >= len(rows):
        return found
    path = rows[index].path
    topic = "segment descriptor" if path.startswith(f"{segment_rows.GDT}[") else "" if path else "GDT"
    return found._replace(note=_fields(ById(screen.capture), path), topic=topic)


@lru_cache(64)
def _fields(capture: ById[Capture], path: str) -> str:
    return segment_rows.fields_of(capture.value, path)
