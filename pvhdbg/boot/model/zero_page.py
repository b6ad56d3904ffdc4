"""struct boot_params, also called the zero page, while the model fills it in."""

from __future__ import annotations

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry

TABLE = BootParams.e820_table.offset
AFTER_TABLE_START = BootParams.SIZE - TABLE
"""The number of bytes from the start of e820_table to the end of the structure."""


class ZeroPage:
    """A struct boot_params, initially all zeros, and the bytes that the memory map writes past its end.

    `known` has 0xff for each byte of `raw` that the model knows and 0 for the others. `alternatives` maps an offset to
    the possible values there, if there are several. `overrun` has the known bytes past the end of the structure, and
    `overrun_end` is the offset at which the map ends. `blamed_field` is the path of the field that causes an overrun.
    """

    def __init__(self) -> None:
        self.raw = bytearray(BootParams.SIZE)
        self.known = bytearray(b"\xff" * BootParams.SIZE)
        self.alternatives: dict[int, tuple[bytes, ...]] = {}
        self.overrun = bytearray()
        self.overrun_end = BootParams.SIZE
        self.blamed_field = "memory_map"

    def put(self, offset: int, data: bytes) -> None:
        self.raw[offset : offset + len(data)] = data
        self.known[offset : offset + len(data)] = b"\xff" * len(data)

    def mark_unknown(self, start: int, end: int) -> None:
        self.raw[start:end] = bytes(end - start)
        self.known[start:end] = bytes(end - start)

    def put_one_of(self, offset: int, values: tuple[bytes, ...]) -> None:
        """Record that one of `values` is at this offset. All have the same length."""
        if len(set(values)) == 1:
            self.put(offset, values[0])
            return
        self.mark_unknown(offset, offset + len(values[0]))
        self.alternatives[offset] = values

    def put_entries(self, entries: bytes | None, count: int) -> None:
        """Put `count` entries into the table. `entries` has their known bytes: the first ones, all, or None."""
        data, end = entries or b"", min(count * BootE820Entry.SIZE, AFTER_TABLE_START)
        self.put(TABLE, data[:AFTER_TABLE_START])
        self.mark_unknown(TABLE + min(len(data), end), TABLE + end)
        self.overrun = bytearray(data[AFTER_TABLE_START:])
        self.overrun_end = max(BootParams.SIZE, TABLE + count * BootE820Entry.SIZE)
