"""Rows as lines: only those that are visible are made."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.tui.draw import classes
from pvhdbg.tui.draw.signs import signs
from pvhdbg.tui.screen import changes, finding_rows, state, view_rows
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.screen.line import clean, cut, fit, styled
from pvhdbg.views.rows.memory_picture import UNKNOWN
from pvhdbg.views.rows.picture_text import SIGNS
from pvhdbg.views.rows.row import NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.checks.finding import Finding
    from pvhdbg.tui.screen.line import Line
    from pvhdbg.tui.screen.state import Noted, Screen
    from pvhdbg.tui.screen.view_rows import Rows
    from pvhdbg.views.rows.row import Row

WITH_FIELDS = 110
"""From this width on a finding's field has a column: its message names it, too."""
MEASURED = 4096
"""Rows that have a say in how wide the columns are."""


class Columns(NamedTuple):
    """How wide the columns are: of fields, and of a table's own."""

    label: int
    name: int
    value: int
    cells: tuple[int, ...]


class Look(NamedTuple):
    """What a row is drawn with."""

    columns: Columns
    ascii: bool
    findings: tuple[Finding, ...] = ()


def lines(screen: Screen, rows: Rows, shown: range, width: int) -> list[Line]:
    """The rows that are `shown`, each `width` cells long."""
    look = Look(_columns(ById(rows), width), screen.ascii)
    if screen.view == state.FINDINGS:
        longest = _widest([len(each.stages[-1]) for each in screen.noted])
        bodies = {
            at: _finding(rows[at], screen.noted[at], look, longest, has_field=width >= WITH_FIELDS) for at in shown
        }
    else:
        found = finding_rows.by_row(screen, rows)
        bodies = {at: _body(rows[at], look._replace(findings=found.get(at, ()))) for at in shown}
    return [_line(screen, rows[at], at, body, width) for at, body in bodies.items()]


def _line(screen: Screen, row: Row, at: int, body: Line, width: int) -> Line:
    is_finding = screen.view == state.FINDINGS
    marked = screen.noted[at].new if is_finding else changes.is_marked(row, screen.before)
    star = signs(screen.ascii).changed if marked else " "
    return with_cursor(screen, at, [(classes.CHANGED, star), *body], width)


def with_cursor(screen: Screen, at: int, body: Line, width: int) -> Line:
    """A line of a pane with a place for the cursor before it; the selected line has it, and is styled so."""
    sign = signs(screen.ascii)
    if at != view_rows.cursor(screen):
        return fit([("", " "), *body], width, sign.more)
    style = classes.SELECTED if screen.focus == state.VIEW else classes.CURSOR
    return styled(fit([("", sign.cursor), *body], width, sign.more), style)


@lru_cache(view_rows.KEPT)
def _columns(rows: ById[Rows], width: int) -> Columns:
    measured = rows.it[:MEASURED]
    plain = [each for each in measured if not each.columns]
    unplaced = any(each.columns and each.offset is None for each in measured)
    return Columns(
        label=0 if unplaced else _widest([len(each.label) for each in measured]),
        name=min(_widest([2 * each.depth + len(each.name) for each in plain if each.path]), width // 3),
        value=min(_widest([len(each.value) for each in plain if each.meaning]), max(18, width * 2 // 5)),
        cells=tuple(_widest([len(cell) for cell in cells]) for cells in zip(*_tables(measured), strict=True)),
    )


def table_width(rows: Rows, width: int) -> int:
    """How wide the entries of a map are, all that is said about them included."""
    columns = _columns(ById(rows), width)
    return 2 + columns.label + sum(columns.cells) + 9 if columns.cells else 0


def _tables(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    return [each.columns for each in rows if each.columns]


def _widest(lengths: Sequence[int]) -> int:
    return max(lengths, default=0)


def _body(row: Row, look: Look) -> Line:
    if row.columns:
        return _entry(row, look)
    return _field(row, look) if row.path else [(classes.SECTION, row.name)]


def _field(row: Row, look: Look) -> Line:
    exists = row.value != NOTHING
    return [
        *_label(row, look),
        (classes.NAME, _cell("  " * row.depth + row.name, look.columns.name, look)),
        (classes.VALUE if exists else classes.MISSING, _value(row, look)),
        *_signed(look),
        (classes.MEANING if exists else classes.MISSING, row.meaning),
    ]


def _label(row: Row, look: Look) -> Line:
    width = look.columns.label
    return [(classes.OFFSET, row.label.ljust(width) + " ")] if width else []


def _cell(text: str, width: int, look: Look) -> str:
    return cut(clean(text, ascii=look.ascii), width, signs(look.ascii).more).ljust(width) + "  "


def _value(row: Row, look: Look) -> str:
    """A value with nothing behind it may be as long as it is."""
    return _cell(row.value, look.columns.value, look) if row.meaning or look.findings else row.value


def _signed(look: Look) -> Line:
    """Sign and code of the worst that is to be said about the row, and how much more there is."""
    if not look.findings:
        return []
    worst, more = finding_rows.worst(look.findings), len(look.findings) - 1
    words = f"{sign_of(worst, ascii=look.ascii)} {worst.code}{f' +{more}' if more else ''}  "
    return [(classes.FINDINGS.get(worst.severity, classes.INFO), words)]


def sign_of(finding: Finding, *, ascii: bool) -> str:  # noqa: A002  what it asks for
    return signs(ascii).findings.get(finding.severity, "?")


def _entry(row: Row, look: Look) -> Line:
    """A map's entry: index, range, size, its type as the picture draws it, and what there is to say."""
    index, span, size, kind, words = row.columns
    widths = look.columns.cells
    known = kind if kind in SIGNS else UNKNOWN
    return [
        *_label(row, look),
        (classes.OFFSET, "  " * row.depth + index.ljust(widths[0]) + " "),
        (classes.VALUE, f"{span.ljust(widths[1])}  {size.rjust(widths[2])}  "),
        (classes.KINDS[known], f"{SIGNS[known][look.ascii]} {kind.ljust(widths[3])}  "),
        *_signed(look),
        (classes.MEANING, words),
    ]


def _finding(row: Row, noted: Noted, look: Look, longest: int, *, has_field: bool) -> Line:
    """With the last stage that it was found at; what does not hold any more is dim."""
    line: Line = [
        *_signed(look._replace(findings=(noted.finding,))),
        (classes.OFFSET, noted.stages[-1].ljust(longest) + "  "),
        (classes.NAME, _cell(row.value, look.columns.value, look) if has_field else ""),
        (classes.MEANING, row.meaning),
    ]
    return line if noted.here else styled(line, classes.OLD)
