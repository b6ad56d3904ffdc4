"""The rows of the displayed view, the selected row, and the rows of other views of the same capture."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.tui.screen import changes, finding_rows
from pvhdbg.tui.screen.by_id import CACHED, ById
from pvhdbg.tui.views import memory, table
from pvhdbg.views.rows.row import Row

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.screen.changes import Before
    from pvhdbg.tui.screen.state import MemoryRequest, Screen
    from pvhdbg.tui.views.view import Decode, Rows, View

_ABSENT = {memory.CANNOT_BE_READ: "memory_map.entries[", "PVH301": "modules["}
"""Findings about structures where the machine has no memory, and how the paths begin of what is read there."""


def rows(screen: Screen) -> Rows:
    """Return the rows of the displayed view; none for a text view."""
    view = table.shown(screen)
    if view.decode is None:
        return view.rows(view.at_source(screen))
    screen = view.at_source(screen)
    decoded = capture_rows(screen, view)
    absent = tuple(_ABSENT[finding.code] for finding in screen.findings if finding.code in _ABSENT)
    if absent:
        decoded = _without_absent(ById(decoded), absent)
    if not screen.only_changes:
        return decoded
    unfolded = capture_rows(screen._replace(unfolded=True), view)
    return _changed(ById(decoded), ById(unfolded), ById(screen.old_values))


@lru_cache(CACHED)
def _without_absent(rows: ById[Rows], absent: tuple[str, ...]) -> Rows:
    """Leave out the rows of zeros that were read where the machine has no memory."""
    kept = tuple(row for row in rows.value if not row.path.startswith(absent))
    return kept if len(kept) == len(rows.value) else (*kept, Row("", "no memory there: all bytes read as 0", ""))


def cursor(screen: Screen) -> int:
    """Return the index of the selected row. Until the user moves the cursor, it is the view's start row."""
    view = table.shown(screen)
    if view.start_row is None or screen.view in screen.positions:
        return screen.position.cursor
    return view.start_row(view.at_source(screen), rows(screen))


def selected(screen: Screen) -> Row | None:
    """Return the selected row; None if the view has no rows."""
    listed, index = rows(screen), cursor(screen)
    return listed[index] if index < len(listed) else None


def at_same_row(before: Screen, screen: Screen) -> Screen:
    """Select the row that was selected before: at another stop, its number may be another one.

    The same field of a structure's copy is the same row. A field may now be folded into a row with others.
    """
    is_moved = before.view == screen.view and before.view in before.positions
    if not is_moved or not table.shown(screen).shows_capture:
        return screen
    row = selected(before)
    index = finding_rows.index_of(rows(screen), row.path) if row and row.path else None
    return screen if index is None else screen.at(index)


def at_sought(screen: Screen, sought: tuple[str, MemoryRequest] | None) -> Screen:
    """Select the row to whose last store the machine went back. If no view has it at this stop, show its bytes."""
    if sought is None:
        return screen
    path, request = sought
    index = next((index for index, row in enumerate(rows(screen)) if row.path == path), None)
    if index is not None:
        return screen.at(index)
    return screen._replace(view=table.BYTES.name, memory_request=request).at(0, 0)


def capture_rows(screen: Screen, view: View) -> Rows:
    """Return all rows of a view, made from the displayed capture; none for a view that shows no capture."""
    capture, map_capture = screen.capture, screen.latest_with_map
    if capture is None or view.decode is None:
        return ()
    return _decoded(view.decode, ById(capture), ById(map_capture or capture), screen.unfolded and view.folds)


@lru_cache(CACHED)
def _decoded(decode: Decode, capture: ById[Capture], map_capture: ById[Capture], unfolded: bool) -> Rows:
    return decode(capture.value, map_capture.value, unfolded)


@lru_cache(CACHED)
def _changed(rows: ById[Rows], unfolded: ById[Rows], before: ById[Before]) -> Rows:
    """Return the rows that changed. A fold is replaced by its fields that changed, unless its structure is new."""
    shown: list[Row] = []
    for row in rows.value:
        if row.folded and not changes.is_new(row.path, before.value):
            fields = {*changes.paths(row)}
            inside = (field for field in unfolded.value if fields & {field.path, *changes.outer(field.path)})
            shown += [field for field in inside if changes.is_marked(field, before.value)]
        elif changes.is_shown(row, before.value):
            shown.append(row)
    return tuple(shown)


def row_of(screen: Screen, path: str) -> tuple[View, int] | None:
    """Return the view that shows the value at a path, and the index of the row; None if no view shows it."""
    for view in table.VIEWS:
        index = finding_rows.index_of(capture_rows(screen, view), path) if path else None
        if index is not None:
            return view, index
    return None
