"""A Row: one line of what is shown of a stop, whoever draws it."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from pvhdbg.abi.layout import Field, Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.boot.stop.capture import Capture

NOTHING = "-"
"""What stands for a value that does not exist."""

ELEMENTS = 8
"""Bytes or elements of an array that a row has room for."""


class Row(NamedTuple):
    """A field, a record, a register, or a run of fields that are 0.

    `path` is that of the JSON document, below its stop; `address` the physical address of `raw`, the bytes it was
    decoded from; `offset` counts from the start of the structure that the view is about. `value` and `meaning` are fit
    for a terminal: what is there, and what that means here. `leads_to` is a physical address that can be gone to.
    `fields` is the field it shows, or those it stands for where it is a run of `folded` that are all 0. `columns`,
    where it is not empty, is the row of a table that has columns of its own.
    """

    path: str
    name: str
    value: str
    meaning: str = ""
    address: int | None = None
    offset: int | None = None
    depth: int = 0
    fields: tuple[Field[Any], ...] = ()
    raw: bytes = b""
    leads_to: int | None = None
    folded: int = 0
    columns: tuple[str, ...] = ()

    def field(self) -> Field[Any] | None:
        """The one field that the row shows. No property: mypy would take the answer for a descriptor."""
        return self.fields[0] if len(self.fields) == 1 else None

    @property
    def label(self) -> str:
        """The offset as it is written, `+0x1e8`; the empty string where there is none."""
        return "" if self.offset is None else f"+{self.offset:#04x}"

    @property
    def is_zero(self) -> bool:
        return bool(self.raw) and not any(self.raw)


def absent(capture: Capture, path: str, name: str | None = None) -> Row:
    """The row for what a capture does not have: the reason is its meaning."""
    return Row(path, name or path, NOTHING, capture.missing.get(path, "not there"))


def field_row(record: Struct, field: Field[Any], path: str, meaning: str | None = None) -> Row:
    """The row for one field. Without `meaning`: the value's name, else what the field is for unless it is 0."""
    value = field.__get__(record, type(record))
    raw = record.bytes_of(field)
    return Row(
        path=f"{path}.{field.name}",
        name=field.name,
        value=shown(field, value),
        meaning=_meaning(field, value, raw) if meaning is None else meaning,
        address=record.address_of(field),
        offset=field.offset,
        fields=(field,),
        raw=raw,
        leads_to=value if field.points_to and value else None,
    )


def shown(field: Field[Any], value: object) -> str:
    """A value on one line: nothing for structures, whose rows follow; of an array no more than ELEMENTS."""
    if isinstance(value, (bytes, tuple)):
        elements = [field.text(each) for each in _elements(value) if not isinstance(each, Struct)]
        return " ".join(elements) + (" …" if elements and len(value) > ELEMENTS else "")
    return "" if isinstance(value, Struct) else field.text(value)


def _elements(array: bytes | tuple[object, ...]) -> Sequence[object]:
    return [array[:ELEMENTS]] if isinstance(array, bytes) else array[:ELEMENTS]


def _meaning(field: Field[Any], value: object, raw: bytes) -> str:
    return field.named(value) or (field.meaning if any(raw) else "")


def below(rows: Sequence[Row], depth: int = 1, base: int = 0) -> Iterator[Row]:
    """The rows of a record inside another, `base` bytes from its start."""
    for row in rows:
        offset = None if row.offset is None else row.offset + base
        yield row._replace(depth=row.depth + depth, offset=offset)


def fold(rows: Sequence[Row]) -> list[Row]:
    """The rows with each run of two or more zero fields made one; what lies below a zero record goes with it."""
    folded: list[Row] = []
    run: list[Row] = []
    for row in rows:
        if run and row.depth > run[-1].depth:
            continue
        if row.is_zero and (not run or row.depth == run[0].depth):
            run.append(row)
            continue
        folded += _folded(run)
        run = [row] if row.is_zero else []
        if not row.is_zero:
            folded.append(row)
    return folded + _folded(run)


def _folded(run: list[Row]) -> list[Row]:
    if len(run) < 2:
        return [each._replace(value=each.value or "0") for each in run]
    first, last = run[0], run[-1]
    meaning = f"{len(run)} fields, all 0: {first.name} to {last.name}"
    raw, fields = b"".join(each.raw for each in run), tuple(chain.from_iterable(each.fields for each in run))
    row = Row(first.path, f"{first.name} …", "0", meaning, first.address, first.offset, first.depth, fields, raw)
    return [row._replace(folded=len(run))]
