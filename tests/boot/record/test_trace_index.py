"""The registers and the memory at the steps of a trace, compared with the stops that were read from the machine."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.record import trace, trace_moves
from pvhdbg.boot.record.trace import Step, Store, Trace, TracedCode
from pvhdbg.boot.record.trace_index import TraceIndex, TraceTarget
from pvhdbg.boot.stop.capture import EMPTY_CAPTURE
from pvhdbg.errors import MemoryUnreadable, RegisterUnavailable
from tests import build
from tests.traces import shipped

if TYPE_CHECKING:
    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.stop.capture import Capture

CODE = (
    TracedCode(0x1000, b"\x90", "nop", "start"),
    TracedCode(0x1001, b"\x0f\x01\x10", "lgdtl (%eax)", "start+0x1"),
    TracedCode(0x1004, b"\x8e\xd8", "movl %eax, %ds", "start+0x4"),
    TracedCode(0x1006, b"\xe8\0\0\0\0", "calll 0x2000", "start+0x6"),
    TracedCode(0x2000, b"\xc3", "retl", "function"),
    TracedCode(0x100B, b"\xeb\xfe", "jmp 0x100b", "start+0xb"),
)
STACK = 0x7FFC
TABLES = range(0x1003000, 0x1007000)
"""Where the teaching guest has its page tables."""
STEPS = (
    Step(0, {"rax": 5}, (Store(0x8000, b"ab"),)),
    Step(1, {}),
    Step(2, {}),
    Step(3, {"rsp": STACK}, (Store(STACK, b"\x0b\x10\0\0"),)),
    Step(4, {"rsp": 0x8000}),
    *(Step(5, {}) for _ in range(4)),
    Step(0, {}, (Store(0x8001, b"c"),)),
)


def stop(stage: str, memory: dict[int, bytes], **registers: int) -> Capture:
    named = {name.replace("_", "."): value for name, value in registers.items()}
    return EMPTY_CAPTURE._replace(stage=stage, memory=tuple(memory.items()), registers=named)


ENTRY = stop("entry", {0x9000: b"old"}, rax=1, rsp=0x8000, gdtr_base=0x10, ds_base=0, cr4=0)
PREPARE = stop("prepare", {0x8000: b"abc", 0xA000: b"z"}, rax=5, rsp=0x8000, gdtr_base=0x20, ds_base=0, cr4=0)


@cache
def small() -> TraceIndex:
    return index(build.boot()._replace(stops=(ENTRY, PREPARE)))


@cache
def real() -> TraceIndex:
    found = shipped().trace
    assert found is not None
    return TraceIndex(shipped(), found)


def index(document: Document) -> TraceIndex:
    return TraceIndex(document, Trace(trace.DONE, {"entry": 0, "prepare": 9}, CODE, STEPS))


def read(step: int, paddr: int, size: int) -> bytes | None:
    try:
        return small().target_at(step).read_phys(paddr, size)
    except MemoryUnreadable:
        return None


def test_memory_is_known_from_the_store_on_or_before_it_if_no_store_changed_it() -> None:
    assert [None, b"ab", b"ab"] == [read(step, 0x8000, 2) for step in (0, 1, 9)]
    assert [b"c"] * 3 == [read(step, 0x8002, 1) for step in (0, 5, 10)]
    assert [b"z", b"old"] == [read(3, 0xA000, 1), read(3, 0x9000, 3)]
    assert [b"abc", b"acc"] == [read(9, 0x8000, 3), read(10, 0x8000, 3)]
    assert ((0x7FFC, b"\x0b\x10\0\0abc"), (0x9000, b"old"), (0xA000, b"z")) == small().memory_at(5)


def test_a_register_that_no_step_records_is_never_that_of_another_stop() -> None:
    shown = [(small().registers_at(step)["gdtr.base"], small().registers_at(step)["ds.base"]) for step in range(5)]

    assert [(0x10, 0), (0x10, 0), (0x20, 0), (0x20, 0), (0x20, 0)] == shown
    assert small().registers_at(10)["rip"] is None
    alone = index(build.boot()._replace(stops=(ENTRY,)))
    assert [0x10, 0x10, None] == [alone.registers_at(step)["gdtr.base"] for step in range(3)]
    with pytest.raises(RegisterUnavailable, match="not in the trace"):
        alone.target_at(2).register("gdtr.base")


def test_moves_go_over_calls_and_out_of_loops_and_functions() -> None:
    assert [1, 5, 5, 9] == [trace_moves.over(small(), step) for step in (0, 3, 4, 6)]
    assert [5, None] == [trace_moves.out(small(), step) for step in (4, 5)]


def test_the_stops_of_a_real_trace_are_what_its_steps_lead_to() -> None:
    """Leave out a stop: the index must then compute what was read from the machine there."""
    for number, place in enumerate(real().places[1:], 1):
        stops = shipped().stops
        found = shipped().trace
        assert found is not None
        others = TraceIndex(shipped()._replace(stops=stops[:number]), found)
        target = others.target_at(place.step)
        traced = {name: value for name, value in place.capture.registers.items() if name in _traced(found)}
        wrong = [(paddr, data) for paddr, data in place.capture.memory if _differs(target, paddr, data)]

        assert traced == {name: others.registers_at(place.step)[name] for name in traced}, place.capture.stage
        assert wrong == [], place.capture.stage


def _traced(found: Trace) -> set[str]:
    return {name for step in found.steps for name in step.registers}


def _differs(target: TraceTarget, paddr: int, data: bytes) -> bool:
    """Compare what is known. The CPU sets the accessed and dirty bits of page tables, which is in no trace."""
    for at, part in target.parts(paddr, paddr + len(data)):
        pairs = zip(part, data[at - paddr :], range(at, at + len(part)), strict=False)
        if any(ours != real and not (place in TABLES and ours | 0x60 == real | 0x60) for ours, real, place in pairs):
            return True
    return False


def test_writers_are_the_last_ones_first_and_clipped() -> None:
    assert [(9, 0x8001, b"c"), (0, 0x8001, b"b")] == list(small().writers(0x8001, 9))
    assert [] == list(small().writers(0x8002, 9))
