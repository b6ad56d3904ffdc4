"""Guest-physical memory over MI."""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

from pvhdbg.errors import MemoryUnreadable
from pvhdbg.target import monitor
from pvhdbg.target.block_cache import BlockCache
from pvhdbg.target.mi import Mi, MiError, console_command, wait_for_reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PHY_MEM_MODE, MONITOR = "PhyMemMode", "monitor"
PHY_MEM_MODE_OFF = console_command("maint packet Qqemu.PhyMemMode:0")
"""The mode outlives a connection: send this after each."""

_PHY_MEM_MODE_ON = console_command("maint packet Qqemu.PhyMemMode:1")
_CONTENTS = re.compile(r'contents="([0-9a-f]*)"')
_FLUSH = console_command("maint flush dcache")
_CHUNK = 0x10000
_WRITE_CHUNK = 0x1000
_EXAMINE_CHUNK = 0x400


class MiMemory:
    """`way` says how: by PhyMemMode of QEMU's stub, by QEMU's monitor, or null if the stub has neither.

    Then an address is read as the guest itself sees it, which is right as long as paging is off.
    """

    def __init__(self, mi: Mi, way: str | None) -> None:
        self.way = way
        self._mi = mi
        self._blocks = BlockCache(self._fetch)
        self._generation = -1
        self._depth = 0
        self._switched = False

    def read(self, paddr: int, size: int) -> bytes:
        """:raise MemoryUnreadable: where the machine refuses."""
        if self._generation != self._mi.generation:
            self._generation = self._mi.generation
            self._blocks.forget()
        with self.physical():
            # Only PhyMemMode never refuses: what lies around the bytes that are asked for may be read with them.
            return self._blocks.read(paddr, size) if self.way == PHY_MEM_MODE else self._fetch([(paddr, size)])[0]

    def write(self, paddr: int, data: bytes) -> None:
        """:raise MemoryUnreadable: where the machine refuses."""
        if self.way == MONITOR:
            raise MemoryUnreadable(paddr, len(data), "the monitor can't write memory")
        self._blocks.forget()
        with self.physical():
            self._switch_on()
            sent = [
                self._mi.send(f"-data-write-memory-bytes {start:#x} {data[start - paddr :][:length].hex()}")
                for start, length in _split(paddr, len(data), _WRITE_CHUNK)
            ]
            try:
                for each in sent:
                    wait_for_reply(self._mi, each)
            except MiError as error:
                raise MemoryUnreadable(paddr, len(data), "can't be written") from error

    @contextmanager
    def physical(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._switch_off()

    def _switch_on(self) -> None:
        if self.way == PHY_MEM_MODE and not self._switched:
            self._switched = True
            self._mi.send(_PHY_MEM_MODE_ON)

    def _switch_off(self) -> None:
        if self._switched:
            self._switched = False
            self._mi.send(PHY_MEM_MODE_OFF)
            self._mi.send(_FLUSH)

    def _fetch(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        if self.way == MONITOR:
            return [self._examine(*each) for each in ranges]
        self._switch_on()
        sent = [[self._ask_for(*chunk) for chunk in _split(*each, _CHUNK)] for each in ranges]
        return [self._received(*each, pending) for each, pending in zip(ranges, sent, strict=True)]

    def _ask_for(self, paddr: int, size: int) -> Any:  # noqa: ANN401 - whatever `answer` takes
        return self._mi.send(f"-data-read-memory-bytes {paddr:#x} {size}")

    def _received(self, paddr: int, size: int, sent: Sequence[Any]) -> bytes:
        try:
            contents = [_CONTENTS.findall(wait_for_reply(self._mi, each).line) for each in sent]
        except MiError as error:
            raise MemoryUnreadable(paddr, size) from error
        return _whole(paddr, size, bytes.fromhex("".join(chain.from_iterable(contents))))

    def _examine(self, paddr: int, size: int) -> bytes:
        texts = (
            wait_for_reply(self._mi, self._mi.send(console_command(f"monitor xp /{length}xb {start:#x}"))).text
            for start, length in _split(paddr, size, _EXAMINE_CHUNK)
        )
        return _whole(paddr, size, b"".join(map(monitor.parse_memory, texts)))


def _whole(paddr: int, size: int, data: bytes) -> bytes:
    if len(data) != size:
        raise MemoryUnreadable(paddr, size)
    return data


def _split(start: int, size: int, most: int) -> list[tuple[int, int]]:
    return [(start + done, min(most, size - done)) for done in range(0, size, most)]
