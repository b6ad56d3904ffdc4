"""Tables as lines of text: the fields of a structure, the entries of a map, and how two maps differ."""

from __future__ import annotations

from collections import Counter
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_TYPES, MapEntry
from pvhdbg.boot.stop.map_entries import decode_entries
from pvhdbg.views.rows import map_rows, text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pvhdbg.boot.stop.capture import MapRecord
    from pvhdbg.views.rows.row import Row

MOST = 160
"""The most lines of one table: enough for the 128 entries in boot_params. The JSON document has all of them."""

KEPT, NEW, GONE = "=", "+", "-"


def field_table(rows: Sequence[Row], *, changed: Collection[str] = ()) -> list[str]:
    """Return lines with offset, name, value and meaning. A row begins with a `*` if its path is in `changed`."""
    cells = [
        ("*" if row.path in changed else " ", row.label, "  " * row.depth + row.name, row.value, row.meaning)
        for row in rows
    ]
    return _cut(text.columns([line if changed else line[1:] for line in cells[:MOST]], indent=4), len(cells))


def map_table(entries: Sequence[MapRecord]) -> list[str]:
    """Return lines with index, range, size, type, and the gap or overlap before each entry."""
    return indexed_table([row.columns[1:] for row in map_rows.entry_rows(entries, "")], right=(1,))


def indexed_table(rows: Sequence[tuple[str, ...]], *, right: Collection[int] = ()) -> list[str]:
    """Return the rows with their index as the first column. Consecutive equal rows become one line: `[2]-[5]`."""
    lines: list[tuple[str, ...]] = []
    for cells, run in groupby(enumerate(rows), key=lambda row: row[1]):
        indices = [index for index, _ in run]
        name = f"[{indices[0]}]" if len(indices) == 1 else f"[{indices[0]}]-[{indices[-1]}]"
        lines.append((name, *cells))
    return _cut(text.columns(lines[:MOST], indent=4, right=[column + 1 for column in right]), len(lines))


def map_changes(entries: Sequence[MapRecord], before: Sequence[MapRecord]) -> list[str]:
    """Return each entry with a sign: `=` if both maps have it, `+` if it is new, `-` if only `before` has it."""
    signed = _signed(entries, before)
    rows = [
        (sign, text.span(entry.addr, entry.end), text.size(entry.size), E820_TYPES.label(entry.type))
        for sign, entry in signed[:MOST]
    ]
    return _cut(text.columns(rows, indent=4, right=(2,)), len(signed))


def _signed(entries: Sequence[MapRecord], before: Sequence[MapRecord]) -> list[tuple[str, MapEntry]]:
    """Return the signed entries: in ascending order if `entries` is, otherwise the removed ones last."""
    left = Counter(decode_entries(before))
    lines = []
    for entry in decode_entries(entries):
        lines.append((KEPT if left[entry] else NEW, entry))
        left[entry] -= left[entry] > 0
    is_ascending = all(low[1] <= high[1] for low, high in pairwise(lines))
    lines += [(GONE, entry) for entry in sorted(left.elements())]
    return sorted(lines, key=lambda line: (line[1], line[0] != GONE)) if is_ascending else lines


def is_same_map(entries: Iterable[MapRecord], before: Iterable[MapRecord]) -> bool:
    return decode_entries(entries) == decode_entries(before)


def _cut(lines: list[str], count: int) -> list[str]:
    return [*lines, f"    … and {count - MOST} more"] if count > MOST else lines
