"""A Trace: every instruction that a guest executed between two stages, with the registers and the memory that it wrote.

A repeated string instruction is one step. Instructions of loops are all there; `folded` finds the repetitions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import REGISTERS
from pvhdbg.boot.record import checked
from pvhdbg.boot.record.checked import NotARecording
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import MAX_TEXT
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

MAX_STEPS = 1_000_000
MAX_STORED = 64 << 20
"""The limits of a trace: instructions, and bytes of code and stores."""
_MAX_CODE = 1 << 17
_LONGEST_INSTRUCTION, _MOST_CHANGED, _MOST_STORES = 15, 64, 1 << 16
DONE, STEPS, SIZE, STOPPED, DIED = "done", "steps", "size", "stopped", "died"
ENDS = {
    DONE: "it reached its last stage",
    STEPS: f"it has {MAX_STEPS:,} instructions, which is the limit",
    SIZE: f"its instructions wrote {MAX_STORED >> 20} MiB, which is the limit",
    STOPPED: "it was interrupted, or the guest no longer executed instructions",
    DIED: "the guest died",
}
"""Why a trace ends."""
_LONGEST_LOOP, _LEAST_REPEATS = 64, 3


class TracedCode(NamedTuple):
    """An instruction that was executed, at a linear address. `symbol` is symbol+offset, `source` FILE:LINE."""

    rip: int
    raw: bytes
    text: str
    symbol: str | None = None
    source: str | None = None

    @property
    def function(self) -> str:
        return (self.symbol or "").partition("+")[0]


class Store(NamedTuple):
    """Bytes that an instruction wrote, at a physical address."""

    paddr: int
    data: bytes


class Step(NamedTuple):
    """One executed instruction: the index of its code, the registers that it changed, and the memory that it wrote.

    `times` is how often a repeated string instruction was repeated, otherwise 1.
    """

    code: int
    registers: Mapping[str, int]
    stores: tuple[Store, ...] = ()
    times: int = 1


class Trace(NamedTuple):
    """What a guest executed. `stops` has the number of steps before each stage. `ended` is one of ENDS."""

    ended: str
    stops: Mapping[str, int]
    code: tuple[TracedCode, ...]
    steps: tuple[Step, ...]

    def registers_at(self, first: Mapping[str, int | None], index: int) -> dict[str, int | None]:
        """Return the registers before the step `index`; `first` has those before the first step."""
        registers = dict(first)
        for step in self.steps[:index]:
            registers.update(step.registers)
        if index < len(self.steps):
            registers["rip"] = self.code[self.steps[index].code].rip
        return registers

    def writers(self, paddr: int, size: int) -> Iterator[tuple[Step, Store]]:
        """Yield the stores to these bytes, the last one first. Each store is clipped to the bytes."""
        for step in reversed(self.steps):
            for store in reversed(step.stores):
                start, end = max(store.paddr, paddr), min(store.paddr + len(store.data), paddr + size)
                if start < end:
                    yield step, Store(start, store.data[start - store.paddr : end - store.paddr])


class Fold(NamedTuple):
    """A loop: `size` steps from `start` on, executed `times` times in a row. `times` is 1 outside of loops."""

    start: int
    size: int
    times: int


def folded(steps: Sequence[Step]) -> Iterator[Fold]:
    """Yield the steps in order; a loop of at most 64 instructions that is executed three times or more is one item."""
    codes = [step.code for step in steps]
    at = 0
    while at < len(codes):
        size, times = _repeats(codes, at)
        yield Fold(at, size, times)
        at += size * times


def _repeats(codes: list[int], at: int) -> tuple[int, int]:
    """Return the size of the loop that begins at a step, and how often it is executed; (1, 1) if none does."""
    end = min(at + _LONGEST_LOOP + 1, len(codes))
    for candidate in range(at + 1, end):
        size = candidate - at
        if codes[candidate] != codes[at] or codes[at:candidate] != codes[candidate : candidate + size]:
            continue
        times = 2
        while codes[at:candidate] == codes[at + times * size : at + (times + 1) * size]:
            times += 1
        if times >= _LEAST_REPEATS:
            return size, times
    return 1, 1


def as_json(trace: Trace) -> dict[str, Any]:
    return {
        "ended": trace.ended,
        "stops": dict(trace.stops),
        "code": [[code.rip, code.raw.hex(), code.text, code.symbol, code.source] for code in trace.code],
        "steps": [
            [step.code, dict(step.registers), [[store.paddr, store.data.hex()] for store in step.stores], step.times]
            for step in trace.steps
        ],
    }


def from_json(value: object) -> Trace:
    """Read a trace, as it was stored.

    :raise NotARecording: if it is not one that pvhdbg would write.
    """
    trace = checked.dictionary(value, "trace")
    stops = checked.dictionary(trace.get("stops"), "trace.stops")
    code = tuple(_code(item) for item in _bounded(trace.get("code"), "trace.code", _MAX_CODE))
    steps = tuple(_step(item, len(code)) for item in _bounded(trace.get("steps"), "trace.steps", MAX_STEPS))
    if sum(len(store.data) for step in steps for store in step.stores) > MAX_STORED:
        raise NotARecording("trace.steps has too many bytes")
    for name in stops:
        if name not in (*stages.NAMES, stages.DIED) or checked.address(stops, name) > len(steps):
            raise NotARecording("trace.stops has an unknown stage, or a step that does not exist")
    return Trace(checked.one_of(tuple(ENDS), trace, "ended"), stops, code, steps)


def _bounded(value: object, name: str, most: int) -> list[Any]:
    items = checked.array(value, name)
    if len(items) > most:
        raise NotARecording(f"{name} has more than {most:,} items")
    return items


def _row(value: object, name: str, size: int) -> list[Any]:
    row = checked.array(value, name)
    if len(row) != size:
        raise NotARecording(f"{name} has a row without {size} items")
    return row


def _code(value: object) -> TracedCode:
    keys = ("rip", "hex", "text", "symbol", "source")
    row = dict(zip(keys, _row(value, "trace.code", len(keys)), strict=True))
    raw = checked.hexadecimal(row, "hex")
    if not 0 < len(raw) <= _LONGEST_INSTRUCTION:
        raise NotARecording("trace.code has an instruction without bytes, or with too many")
    text = checked.short_text(row, "text", MAX_TEXT) or ""
    symbol, source = (checked.short_text(row, key, MAX_TEXT) for key in ("symbol", "source"))
    return TracedCode(checked.address(row, "rip"), raw, text, symbol, source)


def _step(value: object, count: int) -> Step:
    keys = ("code", "registers", "stores", "times")
    row = dict(zip(keys, _row(value, "trace.steps", len(keys)), strict=True))
    registers = checked.dictionary(row["registers"], "registers")
    stores = tuple(_store(item) for item in _bounded(row["stores"], "stores", _MOST_STORES))
    if checked.address(row, "code") >= count or len(registers) > _MOST_CHANGED or not registers.keys() <= _KNOWN:
        raise NotARecording("trace.steps has an unknown instruction or register")
    changed = {name: checked.address(registers, name) for name in registers}
    return Step(row["code"], changed, stores, checked.address(row, "times"))


def _store(value: object) -> Store:
    paddr, data = _row(value, "stores", 2)
    return Store(checked.address({"paddr": paddr}, "paddr"), checked.hexadecimal({"hex": data}, "hex"))


_KNOWN = frozenset((*REGISTERS, "mxcsr"))
