"""Bytes for guest memory: what a change at the entry comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.errors import TargetError

if TYPE_CHECKING:
    from pvhdbg.abi.layout import Field, Struct
    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.boot.stop.capture import Capture


class Write(NamedTuple):
    """Bytes for guest memory, and the path of what they are."""

    path: str
    paddr: int
    data: bytes


def start_info(seen: Capture) -> StartInfo:
    """:raise TargetError: if it was not read."""
    if seen.start_info is None:
        raise TargetError(f"no start_info to change: {seen.missing.get('start_info', 'it was not read')}")
    return seen.start_info


def field_write(record: Struct, path: str, field: Field[int], value: int) -> Write:
    at = record.address_of(field)
    assert at is not None  # noqa: S101 - it was read from somewhere
    return Write(f"{path}.{field.name}", at, value.to_bytes(field.size, "little"))


def info_writes(info: StartInfo, **values: int) -> list[Write]:
    """Fields of start_info by their names, in that order."""
    return [field_write(info, "start_info", info.field(name), value) for name, value in values.items()]


def record_of(of: type[Struct], *values: int) -> bytes:
    """A record of the first fields' values; the others are 0."""
    fields = zip(of.FIELDS, values, strict=False)
    return b"".join(value.to_bytes(field.size, "little") for field, value in fields).ljust(of.SIZE, b"\0")
