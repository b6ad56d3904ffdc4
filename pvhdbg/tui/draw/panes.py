"""The view in its frame: heading, then as many rows or lines as there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.draw import classes, code_pane, headings, memory_pane, row_lines
from pvhdbg.tui.draw.signs import signs
from pvhdbg.tui.screen import code_at, state, view_rows
from pvhdbg.tui.screen.line import fit, styled

if TYPE_CHECKING:
    from pvhdbg.tui.screen.line import Line
    from pvhdbg.tui.screen.state import Screen

BESIDE = 110
"""From this width on the picture stands beside the table."""
STACKED = 24
"""From this height on the picture above a table is drawn in full."""
LEAST_PICTURE = 46
_LEAST_ROWS = 4


def view(screen: Screen, width: int, lines: int) -> list[Line]:
    """Exactly so many lines of exactly that width."""
    more = signs(screen.ascii).more
    shown = [headings.heading(screen), *_body(screen, width, lines - 1)]
    drawn = [fit(shown[at] if at < len(shown) else [], width, more) for at in range(lines)]
    if screen.run.kind == state.RUNNING and screen.view != state.SERIAL:
        return [drawn[0], *(styled(each, classes.OLD) for each in drawn[1:])]
    return drawn


def _body(screen: Screen, width: int, lines: int) -> list[Line]:
    if screen.view == state.SERIAL:
        found = code_pane.wrapped(screen, screen.serial, screen.serial_top, width - 1, lines)
        return [[(classes.SERIAL, f" {each}")] for each in found] or _nothing("the guest wrote nothing yet")
    if screen.view == state.MEMORY:
        return _memory(screen, width, lines)
    return _rows(screen, width, lines)


def _memory(screen: Screen, width: int, lines: int) -> list[Line]:
    if width >= BESIDE:
        return _beside(screen, width, lines)
    above = _above(screen, width, lines)
    return [*above, *_rows(screen, width, lines - len(above))]


def _beside(screen: Screen, width: int, lines: int) -> list[Line]:
    """The table, as wide as it must be, and the picture with all the rest of the room."""
    wanted = row_lines.table_width(view_rows.rows(screen), width)
    right = min(max(width - wanted - 2, LEAST_PICTURE), width // 2)
    left = width - right - 2
    table = [*_rows(screen, left, lines), *[[]] * lines]
    picture = [*memory_pane.stacked(screen, right, lines), *[[]] * lines]
    return [[*fit(table[at], left), ("", "  "), *picture[at]] for at in range(lines)]


def _above(screen: Screen, width: int, lines: int) -> list[Line]:
    """The picture where it stands above the table: it leaves room for some rows."""
    if lines >= STACKED:
        return memory_pane.stacked(screen, width, lines // 2)
    if lines < _LEAST_ROWS + 3:
        return []
    drawn = memory_pane.strip(screen, width, 3 if lines < 12 else 4)
    letters: Line = [(classes.MARK, f" {memory_pane.letters(screen, width - 1, drawn)}")]
    return [*drawn, letters]


def _rows(screen: Screen, width: int, lines: int) -> list[Line]:
    rows = view_rows.rows(screen)
    shown = window(screen, len(rows), lines)
    if not shown:
        return _nothing(_why_nothing(screen))
    if screen.view == state.CODE:
        return code_pane.code(screen, shown, width)
    if screen.view == state.BYTES:
        return code_pane.hex_lines(screen, shown, width)
    return row_lines.lines(screen, rows, shown, width)


def window(screen: Screen, count: int, lines: int) -> range:
    """Which rows are visible: the selected one always is."""
    cursor = min(max(view_rows.cursor(screen), 0), max(count - 1, 0))
    top = screen.here.top if screen.view in screen.shown else cursor - lines // 2
    first = max(min(max(top, cursor - lines + 1), cursor, count - lines), 0)
    return range(first, min(first + lines, count))


def rows_visible(screen: Screen, width: int, lines: int) -> int:
    """How many rows a view of so many lines has room for."""
    body = lines - 1
    if screen.view == state.MEMORY and width < BESIDE:
        body -= len(_above(screen, width, body))
    return max(body, 1)


def _nothing(why: str) -> list[Line]:
    return [[(classes.EMPTY, f"  {why}")]]


def _awaited(screen: Screen) -> str:
    """What there must be first. A machine has stages as soon as there is one."""
    if screen.run.kind == state.STARTING and not screen.stages:
        return f"waiting for gdb to start, and for QEMU: {screen.title.machine}"
    if screen.run.kind in (state.STARTING, state.RUNNING):
        return "the guest is on its way to its first stop"
    return "nothing was captured yet"


def _why_nothing(screen: Screen) -> str:
    if screen.view == state.FINDINGS:
        return "no rule found anything"
    if screen.view == state.CODE:
        return code_at.code(screen).why or "no code yet"
    if screen.view == state.BYTES:
        return screen.bytes.why or "no address yet: Enter on a row goes to its pointer, : to any address"
    if screen.looked_at is None:
        return _awaited(screen)
    if screen.only_changes:
        return "nothing changed here since the stop before"
    return "none: nr_modules is 0" if screen.view == state.MODULES else "nothing"
