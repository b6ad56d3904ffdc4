"""Where a kernel's boot_params is not what the model expects, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.layout import Struct

if TYPE_CHECKING:
    from pvhdbg.boot.model.expected import ExpectedBootParams


class Mismatch(NamedTuple):
    """A field of boot_params that is not as expected: `expected` has each value that it may have.

    `offset` is its own, from the structure's start; `path` is that of the document, below the stop.
    """

    offset: int
    path: str
    expected: tuple[object, ...]
    actual: object


def mismatches(wanted: ExpectedBootParams, actual: BootParams) -> list[Mismatch]:
    """Every field whose known bytes are others, in the order of the structure."""
    pairs = zip(
        _leaves(BootParams(wanted.boot_params, 0), "boot_params"),
        _leaves(BootParams(actual.raw, 0), "boot_params"),
        strict=True,
    )
    found = []
    for should, does in pairs:
        offset, raw = should.offset, actual.raw[should.offset : should.offset + should.size]
        choices = wanted.alternatives.get(offset)
        if choices and raw not in choices:
            values = tuple(int.from_bytes(each, "little") for each in choices)
            found.append(Mismatch(offset, should.path, values, does.value))
        elif not choices and _masked(wanted, should) != _masked(wanted, does):
            found.append(Mismatch(offset, should.path, (should.value,), does.value))
    return found


class _Leaf(NamedTuple):
    """A field that is no structure itself."""

    offset: int
    size: int
    path: str
    value: object
    raw: bytes


def _leaves(record: Struct, path: str) -> Iterator[_Leaf]:
    for field, value in record.rows():
        inner = value if isinstance(value, tuple) else (value,)
        for index, each in enumerate(inner):
            if isinstance(each, Struct):
                suffix = f"[{index}]" if isinstance(value, tuple) else ""
                yield from _leaves(each, f"{path}.{field.name}{suffix}")
        if not isinstance(inner[0], Struct):
            offset = (record.at or 0) + field.offset
            yield _Leaf(offset, field.size, f"{path}.{field.name}", value, record.bytes_of(field))


def _masked(wanted: ExpectedBootParams, leaf: _Leaf) -> bytes:
    mask = wanted.known[leaf.offset : leaf.offset + leaf.size]
    return bytes(byte & keep for byte, keep in zip(leaf.raw, mask, strict=True))
