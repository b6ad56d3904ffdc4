"""A view in its frame: the heading, then as many rows or lines of text as fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.draw import headings, memory_pane, text_lines
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import fit, styled
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import state
from pvhdbg.tui.views import row_lines, table
from pvhdbg.tui.views import shown as shown_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen

BESIDE = 110
"""The least number of columns at which the memory picture is drawn beside the table."""
STACKED = 24
"""The least number of lines at which the memory picture above the table is drawn in full."""
LEAST_PICTURE = 46
_LEAST_ROWS = 4
CONTINUED = "  "
"""Begins a line that continues the line above it, in a view of text."""


def view(screen: Screen, width: int, lines: int, *, is_chosen: bool = False) -> list[Line]:
    """Draw a view: exactly `lines` lines of `width` cells. Only the chosen view has a picture and names new views."""
    more = signs(screen.ascii).more
    source, is_as_of = table.shown(screen).at_source(screen), bool(table.shown(screen).as_of(screen))
    first = headings.with_new_views(screen, width) if is_chosen else headings.heading(screen, width)
    body = [first, *_body(source, width, lines - 1, is_chosen=is_chosen)]
    drawn = [fit(body[index] if index < len(body) else [], width, more) for index in range(lines)]
    if is_as_of or (screen.run.kind == state.RUNNING and not table.shown(screen).is_live):
        return [drawn[0], *(styled(line, classes.OLD) for line in drawn[1:])]
    return drawn


def _body(screen: Screen, width: int, lines: int, *, is_chosen: bool) -> list[Line]:
    view = table.shown(screen)
    if view.text:
        words = text_lines.wrapped(screen, view.lines_of(screen), screen.text_top, width - 1, lines, CONTINUED)
        return [[(_style_of_text(line), f" {line}")] for line in words] or _nothing(view.empty(screen))
    return _with_picture(screen, width, lines) if view.has_picture and is_chosen else _rows(screen, width, lines)


def _style_of_text(line: str) -> str:
    """Return the style of a line that the guest wrote: a panic, a BUG and a warning look like findings."""
    from pvhdbg.boot.log.problems import WARNING, problem

    found = problem(line)
    return classes.SERIAL if found is None else classes.FINDINGS["warning" if found.kind == WARNING else "error"]


def _with_picture(screen: Screen, width: int, lines: int) -> list[Line]:
    if _has_room_beside(screen, width):
        return _beside(screen, width, lines)
    above = _above(screen, width, lines)
    return [*above, *_rows(screen, width, lines - len(above))]


def _has_room_beside(screen: Screen, width: int) -> bool:
    """Return whether the picture fits beside the table without cutting the types of the entries."""
    table_width = row_lines.table_width(shown_view.rows(screen), width, with_remarks=False)
    return width >= BESIDE and table_width + 2 + LEAST_PICTURE <= width


def _beside(screen: Screen, width: int, lines: int) -> list[Line]:
    """Draw the table as wide as it needs to be, and the picture in the remaining columns."""
    left = _table_width(screen, width)
    right = width - left - 2
    rows = [*_rows(screen, left, lines), *[[]] * lines]
    picture = [*memory_pane.stacked(screen, right, lines), *[[]] * lines]
    return [[*fit(rows[index], left), ("", "  "), *picture[index]] for index in range(lines)]


def _table_width(screen: Screen, width: int) -> int:
    """Return the width of the rows, which may have the picture beside them."""
    if not table.shown(screen).has_picture or width < BESIDE:
        return width
    wanted = row_lines.table_width(shown_view.rows(screen), width)
    return width - min(max(width - wanted - 2, LEAST_PICTURE), width // 2) - 2


def row_at(screen: Screen, width: int, lines: int, line: int) -> int | None:
    """Return the index of the row that is drawn in a line below the heading of the chosen view."""
    visible = rows_visible(screen, width, lines)
    source = table.shown(screen).at_source(screen)
    drawn, at = rows_drawn(source, _table_width(screen, width), visible), line - (lines - 1 - visible)
    return drawn[at][0] if 0 <= at < len(drawn) else None


def _above(screen: Screen, width: int, lines: int) -> list[Line]:
    """Draw the picture above the table, with room left for some rows."""
    if lines >= STACKED:
        return memory_pane.stacked(screen, width, lines // 2)
    if lines < _LEAST_ROWS + 3:
        return []
    drawn = memory_pane.strip(screen, width, 3 if lines < 12 else 4)
    letters: Line = [(classes.MARK, f" {memory_pane.letters(screen, width - 1, drawn, is_in_view=True)}")]
    return [*drawn, letters]


def _rows(screen: Screen, width: int, lines: int) -> list[Line]:
    drawn = rows_drawn(screen, width, lines)
    return [line for _, line in drawn] if drawn else _nothing(_why_empty(screen))


def rows_drawn(screen: Screen, width: int, lines: int) -> list[tuple[int, Line]]:
    """Draw the visible rows: the index of the row of each line, and the line.

    A row that is too long continues on the next line if the view has lines left.
    """
    rows, cursor = shown_view.rows(screen), shown_view.cursor(screen)
    visible = window(screen, len(rows), lines)
    bodies = table.shown(screen).draw(screen, rows, visible, width) if visible else ()
    parts = [[body] for body in bodies] if len(visible) == lines else _shared(bodies, width - 1, lines)
    return [
        (index, _with_cursor(screen, part, width, is_selected=index == cursor, is_first=at == 0))
        for index, row in zip(visible, parts, strict=True)
        for at, part in enumerate(row)
    ]


def _shared(bodies: Sequence[Line], width: int, lines: int) -> list[list[Line]]:
    """Wrap rows that are too long: each to at most the number of lines with which all rows fit into `lines` lines.

    The first rows get the lines that are left then.
    """
    counts = [len(row_lines.wrapped(body, width, lines)) for body in bodies]
    levels = range(max(counts, default=1), 1, -1)
    most = next((most for most in levels if sum(min(count, most) for count in counts) <= lines), 1)
    spare = lines - sum(min(count, most) for count in counts)
    parts = []
    for body, count in zip(bodies, counts, strict=True):
        more = min(max(count - most, 0), spare)
        spare -= more
        parts.append(row_lines.wrapped(body, width, most + more))
    return parts


def _with_cursor(screen: Screen, body: Line, width: int, *, is_selected: bool, is_first: bool) -> Line:
    """Prepend the column of the cursor to a line of a row."""
    sign = signs(screen.ascii)
    if not is_selected:
        return fit([("", " "), *body], width, sign.more)
    style = classes.SELECTED if screen.focus in (state.VIEW, state.CARD) else classes.CURSOR
    return styled(fit([("", sign.cursor if is_first else " "), *body], width, sign.more), style)


def window(screen: Screen, count: int, lines: int) -> range:
    """Return the indexes of the visible rows, which include the selected row."""
    cursor = min(max(shown_view.cursor(screen), 0), max(count - 1, 0))
    top = screen.position.top if screen.view in screen.positions else cursor - lines // 2
    first = max(min(max(top, cursor - lines + 1), cursor, count - lines), 0)
    return range(first, min(first + lines, count))


def rows_visible(screen: Screen, width: int, lines: int) -> int:
    """Return how many rows fit in a view of `lines` lines."""
    body = lines - 1
    if table.shown(screen).has_picture and not _has_room_beside(screen, width):
        body -= len(_above(screen, width, body))
    return max(body, 1)


def _nothing(why: str) -> list[Line]:
    return [[(classes.EMPTY, f"  {why}")]]


def _why_empty(screen: Screen) -> str:
    view = table.shown(screen)
    if view.shows_capture and screen.capture is None:
        return _awaited(screen)
    if view.shows_capture and screen.only_changes:
        return "nothing changed here since the previous stop"
    return view.empty(screen)


def _awaited(screen: Screen) -> str:
    """Describe what pvhdbg is waiting for. The stages are known once the machine has started."""
    if screen.run.kind == state.STARTING and not screen.stages:
        return f"waiting for gdb and QEMU to start: {screen.title.machine}"
    if screen.run.kind in (state.STARTING, state.RUNNING):
        return "the guest is running to its first stop"
    return "nothing captured yet"
