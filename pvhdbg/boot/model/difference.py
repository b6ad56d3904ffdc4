"""Find the fields of a kernel's boot_params that differ from the values that the model expects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.layout import Struct
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pvhdbg.boot.model.expected import ExpectedBootParams


class Mismatch(NamedTuple):
    """A field of boot_params with an unexpected value. `expected` has all values that would be correct.

    `offset` is the field's offset in boot_params; `path` is the field's path in the JSON document, below the stop.
    """

    offset: int
    path: str
    expected: tuple[object, ...]
    actual: object


def mismatches(expected: ExpectedBootParams, actual: BootParams) -> list[Mismatch]:
    """Return the fields that differ, in the order of the structure. Bytes that the model does not know are ignored."""
    pairs = zip(
        _leaves(BootParams(expected.boot_params, 0), "boot_params"),
        _leaves(BootParams(actual.raw, 0), "boot_params"),
        strict=True,
    )
    result = []
    for should, does in pairs:
        offset, raw = should.offset, actual.raw[should.offset : should.offset + should.size]
        choices = expected.alternatives.get(offset)
        if choices and raw not in choices:
            values = tuple(int.from_bytes(choice, "little") for choice in choices)
            result.append(Mismatch(offset, should.path, values, does.value))
        elif not choices and _known_bytes(expected, should) != _known_bytes(expected, does):
            result.append(Mismatch(offset, should.path, (should.value,), does.value))
    return result


class _Leaf(NamedTuple):
    """A field that is not itself a structure."""

    offset: int
    size: int
    path: str
    value: object
    raw: bytes


def _leaves(record: Struct, path: str) -> Iterator[_Leaf]:
    for field, value in record.rows():
        items = value if isinstance(value, tuple) else (value,)
        for index, item in enumerate(items):
            if isinstance(item, Struct):
                suffix = f"[{index}]" if isinstance(value, tuple) else ""
                yield from _leaves(item, f"{path}.{field.name}{suffix}")
        if not isinstance(items[0], Struct):
            offset = (record.at or 0) + field.offset
            yield _Leaf(offset, field.size, f"{path}.{field.name}", value, record.bytes_of(field))


def _known_bytes(expected: ExpectedBootParams, leaf: _Leaf) -> bytes:
    """Return the leaf's bytes. Bytes that the model does not know are replaced by 0."""
    mask = expected.known[leaf.offset : leaf.offset + leaf.size]
    return bytes(byte & keep for byte, keep in zip(leaf.raw, mask, strict=True))
