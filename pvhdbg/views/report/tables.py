"""Rows as lines of text: fields of a structure, entries of a map, and what of them is new."""

from __future__ import annotations

from collections import Counter
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_TYPES
from pvhdbg.boot.stop.map_entries import MapEntry, decode_entries
from pvhdbg.views.rows import map_rows, text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pvhdbg.boot.stop.capture import MapRecord
    from pvhdbg.views.rows.row import Row

MOST = 160
"""Lines of one table; a zero page has 128 entries. All of it is in the JSON."""

KEPT, NEW, GONE = "=", "+", "-"


def field_table(rows: Sequence[Row], *, changed: Collection[str] = ()) -> list[str]:
    """Offset, name, value and meaning; the rows of the paths in `changed` begin with a `*`."""
    cells = [
        ("*" if row.path in changed else " ", row.label, "  " * row.depth + row.name, row.value, row.meaning)
        for row in rows
    ]
    return _cut(text.columns([each if changed else each[1:] for each in cells[:MOST]], indent=4), len(cells))


def map_table(entries: Sequence[MapRecord]) -> list[str]:
    """Index, range, size, type, and what lies between or twice."""
    return indexed([each.columns[1:] for each in map_rows.entry_rows(entries, "")], right=(1,))


def indexed(rows: Sequence[tuple[str, ...]], *, right: Collection[int] = ()) -> list[str]:
    """Rows with their index before them; a run of equal ones is one line."""
    lines: list[tuple[str, ...]] = []
    for cells, run in groupby(enumerate(rows), key=lambda row: row[1]):
        indices = [index for index, _ in run]
        name = f"[{indices[0]}]" if len(indices) == 1 else f"[{indices[0]}]-[{indices[-1]}]"
        lines.append((name, *cells))
    return _cut(text.columns(lines[:MOST], indent=4, right=[at + 1 for at in right]), len(lines))


def compared_map(entries: Sequence[MapRecord], before: Sequence[MapRecord]) -> list[str]:
    """The entries, each with `=` if it was listed before or `+` if not, and with `-` those that were."""
    signed = _signed(entries, before)
    rows = [
        (sign, text.span(entry.addr, entry.end), text.size(entry.size), E820_TYPES.label(entry.type))
        for sign, entry in signed[:MOST]
    ]
    return _cut(text.columns(rows, indent=4, right=(2,)), len(signed))


def _signed(entries: Sequence[MapRecord], before: Sequence[MapRecord]) -> list[tuple[str, MapEntry]]:
    left = Counter(decode_entries(before))
    lines = []
    for each in decode_entries(entries):
        lines.append((KEPT if left[each] else NEW, each))
        left[each] -= left[each] > 0
    ascending = all(low[1] <= high[1] for low, high in pairwise(lines))
    lines += [(GONE, each) for each in sorted(left.elements())]
    return sorted(lines, key=lambda line: (line[1], line[0] != GONE)) if ascending else lines


def same_map(entries: Iterable[MapRecord], before: Iterable[MapRecord]) -> bool:
    return decode_entries(entries) == decode_entries(before)


def _cut(lines: list[str], count: int) -> list[str]:
    return [*lines, f"    … and {count - MOST} more"] if count > MOST else lines
