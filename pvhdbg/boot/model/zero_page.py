"""struct boot_params, the zero page, while the model fills it in: its bytes, which are known, and what overflows it."""

from __future__ import annotations

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry

TABLE = BootParams.e820_table.offset
AFTER_TABLE_START = BootParams.SIZE - TABLE
"""Bytes from the start of e820_table to the end of the structure."""


class ZeroPage:
    """A struct boot_params, all zeros at first, and the bytes that the memory map writes past its end.

    `known` has 0xff for every byte of `raw` that the model knows, else 0. `alternatives` has, by offset, the possible
    values where there are several. `overrun` is the known bytes past the end, `overrun_end` where writing ended.
    `blamed_field` is the path of the field that is at fault for an overrun.
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
        """Put a value that is one of `values`, all of the same length."""
        if len(set(values)) == 1:
            self.put(offset, values[0])
            return
        self.mark_unknown(offset, offset + len(values[0]))
        self.alternatives[offset] = values

    def put_entries(self, entries: bytes | None, count: int) -> None:
        """Put `count` entries into the table. `entries` is as many of their bytes as are known, from the first on."""
        data, end = entries or b"", min(count * BootE820Entry.SIZE, AFTER_TABLE_START)
        self.put(TABLE, data[:AFTER_TABLE_START])
        self.mark_unknown(TABLE + min(len(data), end), TABLE + end)
        self.overrun = bytearray(data[AFTER_TABLE_START:])
        self.overrun_end = max(BootParams.SIZE, TABLE + count * BootE820Entry.SIZE)
