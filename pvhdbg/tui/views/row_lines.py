"""Rows as lines of text. Only visible rows are drawn."""

from __future__ import annotations

from functools import lru_cache
from textwrap import wrap
from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean, cut, length
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import changes, finding_rows
from pvhdbg.tui.screen.by_id import CACHED, ById
from pvhdbg.tui.screen.kept import SELECTION, TYPED, kept
from pvhdbg.views.rows.memory_picture import UNKNOWN
from pvhdbg.views.rows.picture_text import SIGNS
from pvhdbg.views.rows.row import NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.checks.finding import Finding
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.views.rows.row import Row

    Rows = tuple[Row, ...]

_LEAST_MEANING = 44
"""The fewest columns of the meaning, if it stands next to a long name."""
_LEAST_WRAPPED = 16
"""A part of a row with less room than this is cut, not continued on the next line."""
_KEPT_ROWS = 512
"""How many drawn rows are kept: while the user scrolls, most rows are those of the frame before."""
MEASURED = 4096
"""How many rows are measured to find the column widths."""


class Columns(NamedTuple):
    """Column widths: `label`, `name` and `value` of fields, and `cells` of map entries."""

    label: int
    name: int
    value: int
    cells: tuple[int, ...]


class Look(NamedTuple):
    """How to draw a row: with which column widths, signs and findings."""

    columns: Columns
    ascii: bool
    findings: tuple[Finding, ...] = ()


def look(screen: Screen, rows: Rows, width: int) -> Look:
    return Look(_columns(ById(rows), width), screen.ascii)


def meaning_width(rows: Rows, width: int) -> int:
    """Return how many columns the meaning of a row has, without findings."""
    columns = _columns(ById(rows), width)
    label = columns.label + 1 if columns.label else 0
    return width - 2 - label - columns.name - columns.value - 4


def cut_texts(row: Row, rows: Rows, width: int, findings: tuple[Finding, ...]) -> tuple[str, ...]:
    """Return the value and the meaning of a row, each if it does not fit in a pane of this width."""
    if row.columns or len(row.value) + len(row.meaning) < _LEAST_WRAPPED:
        return ()
    columns = _columns(ById(rows), width)
    room = meaning_width(rows, width) - (
        length(signed(Look(columns, ascii=False, findings=findings))) if findings else 0
    )
    value = columns.value if row.meaning or findings else room + columns.value + 2
    return (*([row.value] if len(row.value) > value else []), *([row.meaning] if len(row.meaning) > room else []))


@kept(*SELECTION, *TYPED, "output_top")
def lines(screen: Screen, rows: Rows, shown: range, width: int) -> list[Line]:
    """Draw the rows in a range, each with the worst finding about it."""
    plain, findings = look(screen, rows, width), finding_rows.by_row(screen, rows)
    return [
        starred(
            screen,
            _kept_body(ById(rows[index]), plain._replace(findings=findings.get(index, ()))),
            is_new=changes.is_marked(rows[index], screen.old_values),
        )
        for index in shown
    ]


def starred(screen: Screen, body: Line, *, is_new: bool) -> Line:
    """Prepend a column to a row, with a star if the row changed."""
    return [(classes.CHANGED, signs(screen.ascii).changed) if is_new else ("", " "), *body]


@lru_cache(CACHED)
def _columns(rows: ById[Rows], width: int) -> Columns:
    measured = rows.value[:MEASURED]
    fields = [row for row in measured if not row.columns]
    has_no_offsets = any(row.columns and row.offset is None for row in measured)
    value = min(_widest([len(row.value) for row in fields if row.meaning]), max(18, width * 2 // 5))
    most = max(width // 3, width - value - _LEAST_MEANING)
    return Columns(
        label=0 if has_no_offsets else _widest([len(row.label) for row in measured]),
        name=min(_widest([2 * row.depth + len(row.name) for row in fields if not _is_heading(row)]), most),
        value=value,
        cells=tuple(_widest([len(cell) for cell in cells]) for cells in zip(*_tables(measured), strict=True)),
    )


def table_width(rows: Rows, width: int, *, with_remarks: bool = True) -> int:
    """Return the width that the entries of a map need, with or without the remarks; 0 if there are no entries."""
    columns = _columns(ById(rows), width)
    return 2 + columns.label + sum(columns.cells if with_remarks else columns.cells[:-1]) + 9 if columns.cells else 0


def wrapped(line: Line, width: int, most: int) -> list[Line]:
    """Return the line and, if its last part is too long, up to `most` - 1 lines on which that part continues."""
    if not line or most < 2 or length(line) <= width:
        return [line]
    *before, (style, words) = line
    room = width - length(before)
    if room < _LEAST_WRAPPED:
        return [line]
    parts = wrap(words, room, break_on_hyphens=False)
    first, *others = [*parts[: most - 1], " ".join(parts[most - 1 :])]
    return [[*before, (style, first)], *([("", " " * (width - room)), (style, part)] for part in others if part)]


def _tables(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    return [row.columns for row in rows if row.columns]


def _widest(lengths: Sequence[int]) -> int:
    return max(lengths, default=0)


@lru_cache(_KEPT_ROWS)
def _kept_body(row: ById[Row], look: Look) -> Line:
    return _body(row.value, look)


def _body(row: Row, look: Look) -> Line:
    if row.columns:
        return _entry(row, look)
    return [(classes.SECTION, row.name)] if _is_heading(row) else _field(row, look)


def _is_heading(row: Row) -> bool:
    return not row.path and not row.meaning


def _field(row: Row, look: Look) -> Line:
    is_plain = row.value != NOTHING and not row.folded
    return [
        *_label(row, look),
        (classes.MISSING if row.folded else classes.NAME, cell("  " * row.depth + row.name, look.columns.name, look)),
        (classes.VALUE if is_plain else classes.MISSING, _value(row, look)),
        *signed(look),
        (classes.MEANING if is_plain else classes.MISSING, row.meaning),
    ]


def _label(row: Row, look: Look) -> Line:
    width = look.columns.label
    return [(classes.OFFSET, row.label.ljust(width) + " ")] if width else []


def cell(text: str, width: int, look: Look) -> str:
    """Return the text cut or filled to a column's width."""
    return cut(clean(text, ascii=look.ascii), width, signs(look.ascii).more).ljust(width) + "  "


def _value(row: Row, look: Look) -> str:
    """Return the value, cut or padded to its column's width; not cut if it is the last on its line."""
    if row.meaning:
        return cell(row.value, look.columns.value, look)
    return f"{row.value.ljust(look.columns.value)}  " if look.findings else row.value


def signed(look: Look) -> Line:
    """Return sign and code of the row's worst finding, and the number of other findings."""
    if not look.findings:
        return []
    worst, more = finding_rows.worst(look.findings), len(look.findings) - 1
    words = f"{sign_of(worst, ascii=look.ascii)} {worst.code}{f' +{more}' if more else ''}  "
    return [(classes.FINDINGS.get(worst.severity, classes.INFO), words)]


def sign_of(finding: Finding, *, ascii: bool) -> str:  # noqa: A002  the name of the option
    return signs(ascii).findings.get(finding.severity, "?")


def _entry(row: Row, look: Look) -> Line:
    """Draw an entry of a map: index, range, size, type with its sign in the picture, findings, remarks."""
    index, span, size, kind, words = row.columns
    widths = look.columns.cells
    known = kind if kind in SIGNS else UNKNOWN
    return [
        *_label(row, look),
        (classes.OFFSET, "  " * row.depth + index.ljust(widths[0]) + " "),
        (classes.VALUE, f"{span.ljust(widths[1])}  {size.rjust(widths[2])}  "),
        (classes.KINDS[known], f"{SIGNS[known][look.ascii]} {kind.ljust(widths[3])}  "),
        *signed(look),
        (classes.MEANING, words),
    ]
