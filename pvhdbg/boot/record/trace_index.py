"""The machine at every step of a trace: its registers and its memory, as far as the trace and the stops prove them.

Bytes that no step writes before a stop are known from the start if the stop has them. What devices write is in no
trace. A register that no step records, such as the base of a segment, is that of the stop before or behind, if no
instruction in between can load it.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import MONITOR_REGISTERS
from pvhdbg.errors import MemoryUnreadable, RegisterUnavailable, SymbolMissing
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.record.trace import Trace, TracedCode
    from pvhdbg.boot.stop.capture import Capture

    Registers = dict[str, int | None]

PAGE = 0x1000
_CHECKPOINT = 512
"""How many steps, or writes to a page, are replayed at most."""
_NOT_TRACED = frozenset((*MONITOR_REGISTERS, "cr8"))
_SELECTORS = ("cs", "ss", "ds", "es", "fs", "gs")
_TABLES = {"lgdt": "gdtr", "lidt": "idtr", "lldt": "ldt", "ltr": "tr"}
_FAR = ("lcall", "lret", "retf", "iret", "int", "syscall", "sysret", "sysenter", "sysexit", "ljmp", "rsm")
_BASES = ("wrmsr", "swapgs", "wrfsbase", "wrgsbase")
_JUMPS = (*_FAR, "j", "call", "ret", "loop")
_PREFIXES = ("rep", "repe", "repne", "repz", "repnz", "lock", "data16", "addr32")
_LOADED = pattern(r"(?:^l([d-gs]s)[lqw]? |%([c-gs]s)$)")


class Place(NamedTuple):
    """A stop of the recording that is in the trace: the number of steps before it."""

    step: int
    capture: Capture


class _Write(NamedTuple):
    """Bytes that are in a page from a step on."""

    step: int
    offset: int
    data: bytes
    is_store: bool


class _Page:
    """A page of memory: the bytes that are known from the start, and all writes to it, in order."""

    def __init__(self) -> None:
        self.writes: list[_Write] = []
        self._checkpoints: list[tuple[bytes, bytes]] = []

    def at(self, step: int) -> tuple[bytearray, bytearray]:
        """Return the bytes before a step, and for each whether it is known."""
        if not self._checkpoints:
            self._prepare()
        count = bisect_left(self.writes, (step,)) if step >= 0 else 0
        while count < len(self.writes) and self.writes[count].step <= step and not self.writes[count].is_store:
            count += 1
        start = count // _CHECKPOINT
        data, known = (bytearray(part) for part in self._checkpoints[start])
        for write in self.writes[start * _CHECKPOINT : count]:
            _put(data, known, write)
        return data, known

    def _prepare(self) -> None:
        self.writes.sort(key=lambda write: (write.step, write.is_store))
        data, known, stored = bytearray(PAGE), bytearray(PAGE), bytearray(PAGE)
        for write in self.writes:
            end = write.offset + len(write.data)
            if write.is_store:
                stored[write.offset : end] = b"\1" * len(write.data)
                continue
            if 1 not in known[write.offset : end] and 1 not in stored[write.offset : end]:
                _put(data, known, write)
                continue
            for at in range(write.offset, end):
                if not known[at] and not stored[at]:
                    data[at], known[at] = write.data[at - write.offset], 1
        for index, write in enumerate(self.writes):
            if index % _CHECKPOINT == 0:
                self._checkpoints.append((bytes(data), bytes(known)))
            _put(data, known, write)
        self._checkpoints.append((bytes(data), bytes(known)))


def _put(data: bytearray, known: bytearray, write: _Write) -> None:
    end = write.offset + len(write.data)
    data[write.offset : end], known[write.offset : end] = write.data, b"\1" * len(write.data)


class TraceIndex:
    """Answers for every step of a recording's trace. `places` has the stops that are in it, in order."""

    def __init__(self, document: Document, trace: Trace) -> None:
        self.trace = trace
        self.document = document
        self.places = tuple(_places(document, trace))
        self._stops = {place.step: place.capture for place in self.places}
        self.symbols = {name: at for stop in document.stops for name, at in stop.symbols.items()}
        self._pages: dict[int, _Page] = {}
        self._registers: list[Registers] = []
        self._loads: dict[str, list[int]] = {}
        self._add_stops()
        self._add_steps()

    @property
    def last(self) -> int:
        """The last step at which RIP is known: behind the last instruction only if a stop is there."""
        end = len(self.trace.steps)
        return end if any(place.step == end for place in self.places) else end - 1

    def code_at(self, step: int) -> TracedCode:
        return self.trace.code[self.trace.steps[step].code]

    def place_before(self, step: int) -> Place | None:
        """Return the last stop at a step or before it."""
        return next((place for place in reversed(self.places) if place.step <= step), None)

    def target_at(self, step: int) -> TraceTarget:
        return TraceTarget(self, step)

    def registers_at(self, step: int) -> Registers:
        """Return the registers before a step; None for those that the trace and the stops do not prove."""
        start = step // _CHECKPOINT
        registers = dict(self._registers[start])
        for index in range(start * _CHECKPOINT, step):
            self._step(registers, index)
        registers["rip"] = self.code_at(step).rip if step < len(self.trace.steps) else None
        self._at_stop(registers, step)
        return {**registers, **{name: self._proven(name, step) for name in _NOT_TRACED}}

    def _proven(self, name: str, step: int) -> int | None:
        """Return a register that no step records, from a stop between which and here no instruction can load it."""
        loads = self._loads.get(name.partition(".")[0], ())
        before = self.place_before(step)
        if before is not None and bisect_left(loads, before.step) == bisect_left(loads, step):
            return before.capture.registers.get(name)
        behind = next((place for place in self.places if place.step >= step), None)
        if behind is not None and bisect_left(loads, step) == bisect_left(loads, behind.step):
            return behind.capture.registers.get(name)
        return None

    def parts(self, start: int, end: int, step: int) -> Iterator[tuple[int, bytes]]:
        """Yield the known bytes in a range of addresses, with their addresses, as they are before a step."""
        for number in range(start // PAGE, -(-end // PAGE)):
            if number in self._pages:
                low, high = max(start - number * PAGE, 0), min(end - number * PAGE, PAGE)
                data, known = self._page(number, step)
                yield from _known_parts(number * PAGE, data, known, low, high)

    def memory_at(self, step: int) -> tuple[tuple[int, bytes], ...]:
        """Return all memory that is known before a step, in ascending ranges that do not touch."""
        joined: list[tuple[int, list[bytes], int]] = []
        for number in sorted(self._pages):
            for paddr, data in _known_parts(number * PAGE, *self._page(number, step), 0, PAGE):
                if joined and joined[-1][2] == paddr:
                    start, parts, _ = joined.pop()
                    parts.append(data)
                    joined.append((start, parts, paddr + len(data)))
                else:
                    joined.append((paddr, [data], paddr + len(data)))
        return tuple((start, b"".join(parts)) for start, parts, _ in joined)

    def writers(self, paddr: int, size: int) -> Iterator[tuple[int, int, bytes]]:
        """Yield step, address and bytes of the stores to these bytes, the last one first, clipped to the bytes."""
        found: list[tuple[int, int, bytes]] = []
        for number in range(paddr // PAGE, -(-(paddr + size) // PAGE)):
            for write in self._pages[number].writes if number in self._pages else ():
                at = number * PAGE + write.offset
                start, end = max(at, paddr), min(at + len(write.data), paddr + size)
                if write.is_store and start < end:
                    found.append((write.step, start, write.data[start - at : end - at]))
        yield from sorted(found, key=lambda item: item[0], reverse=True)

    def _page(self, number: int, step: int) -> tuple[bytes, bytes]:
        return _page_at(self._pages[number], step)

    def _add_stops(self) -> None:
        for place in self.places:
            for paddr, data in place.capture.memory:
                self._add(place.step, paddr, data, is_store=False)

    def _add(self, step: int, paddr: int, data: bytes, *, is_store: bool) -> None:
        end = paddr + len(data)
        for number in range(paddr // PAGE, -(-end // PAGE)):
            start = max(paddr, number * PAGE)
            part = data[start - paddr : (number + 1) * PAGE - paddr]
            page = self._pages.setdefault(number, _Page())
            page.writes.append(_Write(step, start - number * PAGE, part, is_store))

    def _add_steps(self) -> None:
        """Index the stores, the registers at every checkpoint, and the loads of registers that no step records."""
        loaded = [_loaded(code) for code in self.trace.code]
        is_jump = [_name(code).startswith(_JUMPS) for code in self.trace.code]
        registers: Registers = {}
        for index, step in enumerate(self.trace.steps):
            if index % _CHECKPOINT == 0:
                self._registers.append(dict(registers))
            self._step(registers, index)
            for store in step.stores:
                self._add(index, store.paddr, store.data, is_store=True)
            names = loaded[step.code] | (step.registers.keys() & set(_SELECTORS))
            if not is_jump[step.code] and self._is_elsewhere(index):
                names |= {"cs", "ss"}  # an interrupt or exception
            for name in names:
                self._loads.setdefault(name, []).append(index)
        self._registers.append(registers)

    def _is_elsewhere(self, index: int) -> bool:
        """Return whether the next instruction is not the one behind this one."""
        if index + 1 >= len(self.trace.steps):
            return False
        code = self.code_at(index)
        return self.code_at(index + 1).rip not in (code.rip, code.rip + len(code.raw))

    def _step(self, registers: Registers, index: int) -> None:
        self._at_stop(registers, index)
        registers.update(self.trace.steps[index].registers)

    def _at_stop(self, registers: Registers, step: int) -> None:
        if step in self._stops:
            registers.update(self._stops[step].registers)


class TraceTarget:
    """A Target: the machine before a step."""

    def __init__(self, index: TraceIndex, step: int) -> None:
        self._index = index
        self._step = step
        self._registers = index.registers_at(step)

    def read_phys(self, paddr: int, size: int) -> bytes:
        found = list(self._index.parts(paddr, paddr + size, self._step))
        data = b"".join(part for _, part in found)
        if len(data) != size:
            raise MemoryUnreadable(paddr, size, "not in the trace")
        return data

    def parts(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        yield from self._index.parts(start, end, self._step)

    def register(self, name: str) -> int:
        value = self._registers.get(name)
        if value is None:
            raise RegisterUnavailable(name, f"{name}: not in the trace")
        return value

    def symbol(self, name: str) -> int:
        try:
            return self._index.symbols[name]
        except KeyError:
            raise SymbolMissing(name) from None


@lru_cache(256)
def _page_at(page: _Page, step: int) -> tuple[bytes, bytes]:
    data, known = page.at(step)
    return bytes(data), bytes(known)


def _known_parts(start: int, data: bytes, known: bytes, low: int, high: int) -> Iterator[tuple[int, bytes]]:
    while (first := known.find(1, low, high)) >= 0:
        low = known.find(0, first, high)
        low = high if low < 0 else low
        yield start + first, data[first:low]


def _places(document: Document, trace: Trace) -> Iterator[Place]:
    found = [Place(trace.stops[stop.stage], stop) for stop in document.stops if stop.stage in trace.stops]
    for index, place in enumerate(found):
        if all(place.step >= earlier.step for earlier in found[:index]):
            yield place


def _name(code: TracedCode) -> str:
    return next((word for word in code.text.split() if word not in _PREFIXES), "")


def _loaded(code: TracedCode) -> frozenset[str]:
    """Return the registers that an instruction can load, of those that no step records."""
    name = _name(code)
    if not name or name.startswith("("):
        return frozenset((*_SELECTORS, *_TABLES.values(), "a20", "cr8"))
    found = {loaded for start, loaded in _TABLES.items() if name.startswith(start)}
    if name.startswith("ljmp"):
        found.add("cs")
    elif name.startswith(_FAR):
        found.update(_SELECTORS)
    if name.startswith(_BASES):
        found.update(("fs", "gs"))
    if name.startswith("out"):
        found.add("a20")
    if "%cr8" in code.text or name.startswith("out"):
        found.add("cr8")
    if match := _LOADED.search(code.text):
        found.add(match[1] or match[2])
    return frozenset(found)
