"""struct boot_params, the zero page, as the model fills it in: what of it is known, and what goes beyond its end."""

from __future__ import annotations

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry

TABLE = BootParams.e820_table.offset
ROOM = BootParams.SIZE - TABLE


class ZeroPage:
    """struct boot_params as it is being filled in, cleared before, and what goes beyond it."""

    def __init__(self) -> None:
        self.raw = bytearray(BootParams.SIZE)
        self.known = bytearray(b"\xff" * BootParams.SIZE)
        self.alternatives: dict[int, tuple[bytes, ...]] = {}
        self.overrun = bytearray()
        self.overrun_end = BootParams.SIZE
        self.blame = "memory_map"

    def put(self, offset: int, data: bytes) -> None:
        self.raw[offset : offset + len(data)] = data
        self.known[offset : offset + len(data)] = b"\xff" * len(data)

    def forget(self, start: int, end: int) -> None:
        self.raw[start:end] = bytes(end - start)
        self.known[start:end] = bytes(end - start)

    def choose(self, offset: int, values: tuple[bytes, ...]) -> None:
        """One of these values, all of one length."""
        if len(set(values)) == 1:
            self.put(offset, values[0])
            return
        self.forget(offset, offset + len(values[0]))
        self.alternatives[offset] = values

    def put_entries(self, entries: bytes | None, count: int) -> None:
        """`count` entries from the table's start on, of which the first bytes are `entries`, if anything is known."""
        data, end = entries or b"", min(count * BootE820Entry.SIZE, ROOM)
        self.put(TABLE, data[:ROOM])
        self.forget(TABLE + min(len(data), end), TABLE + end)
        self.overrun = bytearray(data[ROOM:])
        self.overrun_end = max(BootParams.SIZE, TABLE + count * BootE820Entry.SIZE)
