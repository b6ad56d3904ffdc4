"""Record what a machine answers, and answer the same questions from the recording."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping

from pvhdbg.errors import MemoryUnreadable, RegisterUnavailable, SymbolMissing, TargetError
from pvhdbg.target.base import NO_MONITOR, Target

Ranges = tuple[tuple[int, bytes], ...]


class Recording:
    """A Target that answers from recorded data.

    `memory` has (paddr, bytes) ranges in ascending order that neither overlap nor touch. A register is None if the
    machine could not provide it when the recording was made.
    """

    def __init__(self, memory: Ranges, registers: Mapping[str, int | None], symbols: Mapping[str, int]) -> None:
        self._memory = memory
        self._starts = [start for start, _ in memory]
        self._registers = registers
        self._symbols = symbols

    def read_phys(self, paddr: int, size: int) -> bytes:
        index = bisect_right(self._starts, paddr) - 1
        start, data = self._memory[index] if index >= 0 else (0, b"")
        if paddr + size > start + len(data):
            raise MemoryUnreadable(paddr, size, "not captured")
        return data[paddr - start : paddr - start + size]

    def parts(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield the recorded bytes in a range of addresses, with their addresses."""
        for index in range(max(bisect_right(self._starts, start) - 1, 0), bisect_left(self._starts, end)):
            paddr, data = self._memory[index]
            low = max(start - paddr, 0)
            if low < len(data):
                yield paddr + low, data[low : end - paddr]

    def register(self, name: str) -> int:
        value = self._registers.get(name)
        if value is None:
            raise RegisterUnavailable(name, NO_MONITOR)
        return value

    def symbol(self, name: str) -> int:
        try:
            return self._symbols[name]
        except KeyError:
            raise SymbolMissing(name) from None


def readable_parts(target: Target, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the bytes in a range of addresses as far as a target has them: a machine has all, a recording some.

    :raise TargetError: if a machine cannot read its memory.
    """
    if isinstance(target, Recording):
        yield from target.parts(start, end)
    else:
        yield start, target.read_phys(start, end - start)


class Recorder:
    """A Target that forwards every call to another Target and records the results.

    A byte that was read before is not read again: memory that changes between two reads would otherwise be decoded in
    a way that the recording does not show.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._starts: list[int] = []  # of what was read, ascending; the ranges do not overlap
        self._reads: dict[int, bytes] = {}
        self.registers: dict[str, int | None] = {}
        self.symbols: dict[str, int] = {}

    def read_phys(self, paddr: int, size: int) -> bytes:
        if size <= 0:
            return self._target.read_phys(paddr, size)
        first, last = self._overlapping(paddr, paddr + size)
        starts = self._starts[first:last]
        if len(starts) == 1 and starts[0] <= paddr and paddr + size <= starts[0] + len(self._reads[starts[0]]):
            return self._reads[starts[0]][paddr - starts[0] :][:size]
        data = self._target.read_phys(paddr, size)
        start, end = min([paddr, *starts]), max([paddr + len(data), *(at + len(self._reads[at]) for at in starts)])
        joined = bytearray(end - start)
        joined[paddr - start : paddr - start + len(data)] = data
        for at in starts:
            before = self._reads.pop(at)
            joined[at - start : at - start + len(before)] = before
        self._starts[first:last] = [start]
        self._reads[start] = bytes(joined)
        return bytes(joined[paddr - start :][: len(data)])

    def _overlapping(self, start: int, end: int) -> tuple[int, int]:
        """Return the first index, and one past the last, of the ranges in _starts that overlap with a new range."""
        first = bisect_right(self._starts, start) - 1
        if first < 0 or self._starts[first] + len(self._reads[self._starts[first]]) <= start:
            first += 1
        return first, bisect_left(self._starts, end, first)

    def register(self, name: str) -> int:
        try:
            value = self._target.register(name)
        except TargetError:
            self.registers[name] = None
            raise
        self.registers[name] = value
        return value

    def symbol(self, name: str) -> int:
        address = self._target.symbol(name)
        self.symbols[name] = address
        return address

    def memory(self) -> Ranges:
        """Return all memory that was read, as ascending ranges; overlapping and adjacent reads are joined."""
        joined: list[tuple[int, bytearray]] = []
        for paddr, data in sorted(self._reads.items()):
            if joined and paddr <= joined[-1][0] + len(joined[-1][1]):
                start, before = joined[-1]
                before[paddr - start : paddr - start + len(data)] = data
            else:
                joined.append((paddr, bytearray(data)))
        return tuple((paddr, bytes(data)) for paddr, data in joined)
