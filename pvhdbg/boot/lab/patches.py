"""Patches: the bytes that `--set` and `--protocol` write to guest memory at the entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.errors import TargetError
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pvhdbg.abi.layout import Field, Struct
    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.boot.stop.capture import Capture


class Patch(NamedTuple):
    """Bytes to write at a physical address. `path` is the path of the changed value in the JSON document."""

    path: str
    paddr: int
    data: bytes


def required_start_info(capture: Capture) -> StartInfo:
    """Return the capture's start_info.

    :raise TargetError: if the capture has none.
    """
    if capture.start_info is None:
        raise TargetError(f"cannot change start_info: {capture.missing.get('start_info', 'it was not read')}")
    return capture.start_info


def field_patch(record: Struct, path: str, field: Field[int], value: int) -> Patch:
    """Return the patch that sets one field of a record. `path` is the record's path in the JSON document."""
    paddr = record.address_of(field)
    assert paddr is not None  # noqa: S101 - the record was read from guest memory
    return Patch(f"{path}.{field.name}", paddr, value.to_bytes(field.size, "little"))


def start_info_patches(info: StartInfo, **values: int) -> list[Patch]:
    """Return the patches that set fields of start_info, in the order of the keyword arguments."""
    return [field_patch(info, "start_info", info.field(name), value) for name, value in values.items()]
