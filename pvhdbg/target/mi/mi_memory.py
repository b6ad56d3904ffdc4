"""Read and write guest-physical memory through gdb/MI."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

from pvhdbg.errors import MemoryUnreadable
from pvhdbg.lazy_pattern import pattern
from pvhdbg.target import monitor
from pvhdbg.target.block_cache import BlockCache, split
from pvhdbg.target.mi.client import Mi, MiError, console_command, wait_for_reply
from pvhdbg.target.stub import MONITOR, PHY_MEM_MODE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PHY_MEM_MODE_OFF = console_command("maint packet Qqemu.PhyMemMode:0")
"""The command that turns PhyMemMode off. The mode persists after a disconnect, so send this after each connect."""

_PHY_MEM_MODE_ON = console_command("maint packet Qqemu.PhyMemMode:1")
_CONTENTS = pattern(r'contents="((?:[0-9a-f]{2})*)"')
_FLUSH = console_command("maint flush dcache")
_CHUNK = 0x10000
_WRITE_CHUNK = 0x1000
_MONITOR_CHUNK = 0x400


class MiMemory:
    """Guest-physical memory of the machine that a gdb/MI client is connected to.

    `method` is PHY_MEM_MODE (a mode of QEMU's stub), MONITOR (QEMU's monitor), or None if the stub has neither. With
    None, the stub treats addresses as virtual, which is correct only while paging is off.
    """

    def __init__(self, mi: Mi, method: str | None) -> None:
        self.method = method
        self._mi = mi
        self._cache = BlockCache(self._fetch)
        self._generation = -1
        self._depth = 0
        self._switched = False

    def read(self, paddr: int, size: int) -> bytes:
        """Read memory.

        :raise MemoryUnreadable: if the machine cannot read these bytes.
        """
        if self._generation != self._mi.generation:
            self._generation = self._mi.generation
            self._cache.clear()
        with self.physical_reads():
            # The cache reads more than the requested bytes. These reads cannot fail in PhyMemMode.
            return self._cache.read(paddr, size) if self.method == PHY_MEM_MODE else self._fetch([(paddr, size)])[0]

    def read_each(self, ranges: Sequence[tuple[int, int]]) -> list[bytes | None]:
        """Read (address, size) ranges without the cache. Return None for each that the machine cannot read."""
        with self.physical_reads():
            if self.method == MONITOR:
                return [self._read_by_monitor(paddr, size) for paddr, size in ranges]
            self._switch_on()
            commands = [self._send_read(paddr, size) for paddr, size in ranges]
            return [self._receive_or_none(*part, command) for part, command in zip(ranges, commands, strict=True)]

    def write(self, paddr: int, data: bytes) -> None:
        """Write memory.

        :raise MemoryUnreadable: if the machine cannot write these bytes.
        """
        if self.method == MONITOR:
            raise MemoryUnreadable(paddr, len(data), "the monitor can't write memory")
        self._cache.clear()
        with self.physical_reads():
            self._switch_on()
            commands = [
                self._mi.send(f"-data-write-memory-bytes {start:#x} {data[start - paddr :][:length].hex()}")
                for start, length in split(paddr, len(data), _WRITE_CHUNK)
            ]
            try:
                for command in commands:
                    wait_for_reply(self._mi, command)
            except MiError as error:
                raise MemoryUnreadable(paddr, len(data), "not writable") from error

    @contextmanager
    def physical_reads(self) -> Iterator[None]:
        """Within the block, switch the stub's mode at most once. Blocks can be nested."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._switch_off()

    def _switch_on(self) -> None:
        if self.method == PHY_MEM_MODE and not self._switched:
            self._switched = True
            self._mi.send(_PHY_MEM_MODE_ON)

    def _switch_off(self) -> None:
        if self._switched:
            self._switched = False
            self._mi.send(PHY_MEM_MODE_OFF)
            self._mi.send(_FLUSH)

    def _fetch(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        if self.method == MONITOR:
            return [self._read_by_monitor(paddr, size) for paddr, size in ranges]
        self._switch_on()
        commands = [[self._send_read(*chunk) for chunk in split(paddr, size, _CHUNK)] for paddr, size in ranges]
        return [self._receive(paddr, size, pending) for (paddr, size), pending in zip(ranges, commands, strict=True)]

    def _send_read(self, paddr: int, size: int) -> Any:  # noqa: ANN401 - an opaque handle for `wait_for_reply`
        return self._mi.send(f"-data-read-memory-bytes {paddr:#x} {size}")

    def _receive(self, paddr: int, size: int, commands: Sequence[Any]) -> bytes:
        try:
            contents = [_CONTENTS.findall(wait_for_reply(self._mi, command).line) for command in commands]
        except MiError as error:
            raise MemoryUnreadable(paddr, size) from error
        return _checked(paddr, size, bytes.fromhex("".join(chain.from_iterable(contents))))

    def _receive_or_none(self, paddr: int, size: int, command: Any) -> bytes | None:  # noqa: ANN401 - an opaque handle
        try:
            return self._receive(paddr, size, [command])
        except MemoryUnreadable:
            return None

    def _read_by_monitor(self, paddr: int, size: int) -> bytes:
        texts = (
            wait_for_reply(self._mi, self._mi.send(console_command(f"monitor xp /{length}xb {start:#x}"))).text
            for start, length in split(paddr, size, _MONITOR_CHUNK)
        )
        return _checked(paddr, size, b"".join(map(monitor.parse_memory, texts)))


def _checked(paddr: int, size: int, data: bytes) -> bytes:
    if len(data) != size:
        raise MemoryUnreadable(paddr, size)
    return data
