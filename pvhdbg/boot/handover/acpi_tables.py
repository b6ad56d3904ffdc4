"""The firmware's ACPI tables, read from guest memory and moved to another address.

Source: ACPI 6.5, 5.2.5 (RSDP), 5.2.6 (the header of a table), 5.2.8 (XSDT), 5.2.9 (FADT), 5.2.10 (FACS).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.alignment import align_up
from pvhdbg.abi.start_info import RSDP_SIGNATURE, RSDP_SIZE, RSDP_SIZE_V1
from pvhdbg.errors import TargetError
from pvhdbg.vmm_profiles.profile import Placed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.target.base import Target

_HEADER, _SIZE_AT, _CHECKSUM_AT = 36, 4, 9
_RSDT_AT, _XSDT_AT, _RSDP_CHECKSUM_AT, _EXTENDED_CHECKSUM_AT = 16, 24, 8, 32
_FACS_AT, _DSDT_AT, _X_FACS_AT, _X_DSDT_AT = 36, 40, 132, 140
_ALIGNMENT = 64
_MOST_TABLES, _MOST_BYTES = 64, 0x10000


def moved(target: Target, rsdp: int, new_rsdp: int, tables: int) -> tuple[Placed, ...]:
    """Return the tables of the RSDP at `rsdp` as they are if the RSDP is at `new_rsdp`, the others from `tables` on.

    Return none if they cannot be read, or are larger than any table of QEMU's microvm.
    """
    try:
        return tuple(_Mover(target, tables).placed(rsdp, new_rsdp))
    except TargetError:
        return ()


class _Mover:
    def __init__(self, target: Target, start: int) -> None:
        self._target = target
        self._next = start
        self._end = start + _MOST_BYTES

    def placed(self, rsdp: int, new_rsdp: int) -> Iterator[Placed]:
        pointer = bytearray(self._target.read_phys(rsdp, RSDP_SIZE))
        if not pointer.startswith(RSDP_SIGNATURE):
            return
        width, at = (8, _XSDT_AT) if _integer(pointer, _XSDT_AT, 8) else (4, _RSDT_AT)
        root = self._read(_integer(pointer, at, width))
        entries = range(_HEADER, len(root) - width + 1, width)
        if len(entries) > _MOST_TABLES:
            raise TargetError("too many ACPI tables")
        for entry in entries:
            table = self._read(_integer(root, entry, width))
            if table.startswith(b"FACP"):
                yield from self._move_fadt(table)
            yield self._place(table)
            _set(root, entry, width, self._last)
        yield self._place(root)
        _set(pointer, _RSDT_AT, 4, 0)
        _set(pointer, at, width, self._last)
        _fix(pointer, _RSDP_CHECKSUM_AT, RSDP_SIZE_V1)
        _fix(pointer, _EXTENDED_CHECKSUM_AT, RSDP_SIZE)
        yield Placed("RSDP", new_rsdp, bytes(pointer))

    def _move_fadt(self, fadt: bytearray) -> Iterator[Placed]:
        """Yield the tables that the FADT points to, and change its pointers."""
        for at, wide_at in ((_DSDT_AT, _X_DSDT_AT), (_FACS_AT, _X_FACS_AT)):
            has_wide = len(fadt) >= wide_at + 8
            paddr = _integer(fadt, at, 4) or (_integer(fadt, wide_at, 8) if has_wide else 0)
            if paddr:
                yield self._place(self._read(paddr))
                for place, width in ((at, 4), (wide_at, 8)):
                    if len(fadt) >= place + width and _integer(fadt, place, width):
                        _set(fadt, place, width, self._last)

    def _read(self, paddr: int) -> bytearray:
        size = _integer(self._target.read_phys(paddr, 8), _SIZE_AT, 4)
        if not 8 <= size <= _MOST_BYTES:
            raise TargetError(f"no ACPI table at {paddr:#x}")
        return bytearray(self._target.read_phys(paddr, size))

    def _place(self, table: bytearray) -> Placed:
        self._last = self._next
        self._next += align_up(len(table), _ALIGNMENT)
        if self._next > self._end:
            raise TargetError("the ACPI tables are too large")
        if not table.startswith(b"FACS"):  # it has no checksum
            _fix(table, _CHECKSUM_AT, len(table))
        return Placed("ACPI tables", self._last, bytes(table))


def _integer(data: bytes | bytearray, at: int, width: int) -> int:
    return int.from_bytes(data[at : at + width], "little")


def _set(data: bytearray, at: int, width: int, value: int) -> None:
    data[at : at + width] = value.to_bytes(width, "little")


def _fix(data: bytearray, at: int, size: int) -> None:
    """Set the byte at `at` so that the first `size` bytes add up to 0."""
    if len(data) > at:
        data[at] = 0
        data[at] = -sum(data[:size]) & 0xFF
