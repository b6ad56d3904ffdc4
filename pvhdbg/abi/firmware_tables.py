"""Tables that an x86 firmware leaves in low memory, found by their signatures: RSDP, MP table, SMBIOS entry point.

Sources: ACPI 6.5, 5.2.5; Intel MultiProcessor Specification 1.4, chapter 4; DMTF DSP0134 (SMBIOS 3.6), 5.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.start_info import RSDP_SIGNATURE, RSDP_SIZE_V1
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

RSDP, MP_TABLE, SMBIOS = "RSDP", "MP table", "SMBIOS entry point"
EBDA_SEGMENT = 0x40E
"""The address of two bytes in the BIOS data area: the segment of the extended BIOS data area (EBDA)."""

_ALIGNMENT = 16
_KIB = 1024
_END_OF_LOW_MEMORY = 0xA0000
_BIOS = (0xE0000, 0x100000)
_SMALLEST_EBDA = 0x80000


class Kind(NamedTuple):
    """A kind of table. `size` is in bytes, or 0 if the byte at `size_offset` has it, in units of `unit` bytes."""

    name: str
    signature: bytes
    size: int
    size_offset: int = 0
    unit: int = 1


KINDS = (
    Kind(RSDP, RSDP_SIGNATURE, RSDP_SIZE_V1),
    Kind(MP_TABLE, b"_MP_", 0, 8, 16),
    Kind(SMBIOS, b"_SM_", 0, 5),
    Kind(SMBIOS, b"_SM3_", 0, 6),
)


class FoundTable(NamedTuple):
    """A table with a correct checksum: what it is, its physical address, and its size in bytes."""

    name: str
    paddr: int
    size: int


def search_ranges(ebda_segment: bytes | None) -> list[tuple[int, int]]:
    """Return the ranges in which guests search, in ascending order.

    `ebda_segment` has the bytes at EBDA_SEGMENT; None if they are not known.
    """
    low = [(_END_OF_LOW_MEMORY - _KIB, _END_OF_LOW_MEMORY)]
    ebda = int.from_bytes(ebda_segment or b"", "little") << 4
    if _SMALLEST_EBDA <= ebda < _END_OF_LOW_MEMORY - _KIB:
        low.insert(0, (ebda, ebda + _KIB))
    return [*low, _BIOS]


def find(data: bytes, start: int) -> Iterator[FoundTable]:
    """Yield the tables in memory that begins at the physical address `start`. They are aligned to 16 bytes."""
    for kind in KINDS:
        offset = data.find(kind.signature)
        while offset >= 0:
            table = None if (start + offset) % _ALIGNMENT else _table(kind, data, offset, start)
            if table is not None:
                yield table
            offset = data.find(kind.signature, offset + 1)


def _table(kind: Kind, data: bytes, offset: int, start: int) -> FoundTable | None:
    if offset + kind.size_offset >= len(data):
        return None
    size = kind.size or data[offset + kind.size_offset] * kind.unit
    raw = data[offset : offset + size]
    if size <= len(kind.signature) or len(raw) < size or sum(raw) & 0xFF:
        return None
    return FoundTable(kind.name, start + offset, size)
