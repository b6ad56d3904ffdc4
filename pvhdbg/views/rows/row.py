"""The class Row: one line of a view, for reports and the TUI."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from pvhdbg.abi.layout import Field, Struct
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.rows.missing import missing_reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.boot.stop.capture import Capture

NOTHING = "-"
"""Shown instead of a value that does not exist."""

ELEMENTS = 8
"""The most elements of an array that a row shows."""


class Row(NamedTuple):
    """A field, a record, a register, or a run of fields that are 0.

    `path` is the row's path in the JSON document, below the stop. `raw` holds the bytes that the row was decoded from,
    `address` is their physical address, and `offset` is their offset in the view's outermost structure. `value` and
    `meaning` contain no control characters. `leads_to` is the physical address that a pointer or register points to.
    `fields` has the field that the row shows; a row for consecutive zero fields has all of them, and `folded` is their
    number. `columns` is set for the rows of a table that has its own columns.
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
        """Return the field, or None if the row shows no field or several.

        This is a method because mypy would treat the result of a property as a descriptor.
        """
        return self.fields[0] if len(self.fields) == 1 else None

    @property
    def label(self) -> str:
        """The offset as text, such as `+0x1e8`; an empty string if the row has no offset."""
        return "" if self.offset is None else f"+{self.offset:#04x}"

    @property
    def is_zero(self) -> bool:
        return bool(self.raw) and not any(self.raw)


def absent(capture: Capture, path: str, name: str | None = None) -> Row:
    """Return the row for a value that the capture lacks. The meaning of the row is the reason."""
    return Row(path, name or path, NOTHING, missing_reason(capture, path))


def field_row(record: Struct, field: Field[Any], path: str, meaning: str | None = None) -> Row:
    """Return the row for one field.

    Without `meaning`, the row shows the name of the value or, if the value has no name and is not 0, the meaning of
    the field.
    """
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
    """Return a value on one line: up to ELEMENTS of an array; nothing for a structure, which has its own rows."""
    if isinstance(value, (bytes, tuple)):
        elements = [field.text(element) for element in _elements(value) if not isinstance(element, Struct)]
        return " ".join(elements) + (" …" if elements and len(value) > ELEMENTS else "")
    return "" if isinstance(value, Struct) else field.text(value)


def _elements(array: bytes | tuple[object, ...]) -> Sequence[object]:
    return [array[:ELEMENTS]] if isinstance(array, bytes) else array[:ELEMENTS]


def _meaning(field: Field[Any], value: object, raw: bytes) -> str:
    return field.value_name(value) or (field.meaning if any(raw) else "")


def below(rows: Sequence[Row], depth: int = 1, base: int = 0) -> Iterator[Row]:
    """Yield the rows of an inner record, indented, with their offsets increased by `base` bytes."""
    for row in rows:
        offset = None if row.offset is None else row.offset + base
        yield row._replace(depth=row.depth + depth, offset=offset)


def fold(rows: Sequence[Row]) -> list[Row]:
    """Replace each run of two or more zero fields, and the rows below them, by one row."""
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
        return [row._replace(value=row.value or "0") for row in run]
    first, last = run[0], run[-1]
    items = "entries" if first.name.startswith("[") else "fields"
    meaning = f"{len(run)} {items}, all 0: {first.name} to {last.name}"
    raw, fields = b"".join(row.raw for row in run), tuple(chain.from_iterable(row.fields for row in run))
    folded = Row(first.path, f"{first.name} …", "0", meaning, first.address, first.offset, first.depth, fields, raw)
    return [folded._replace(folded=len(run))]
