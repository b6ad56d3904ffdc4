"""A trace as JSON, its loops, and the registers and stores at a step."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pvhdbg.boot.record import trace
from pvhdbg.boot.record.checked import NotARecording
from pvhdbg.boot.record.replay import replay
from pvhdbg.boot.record.trace import Fold, Step, Store, Trace, TracedCode, folded
from pvhdbg.views.report import run_text
from pvhdbg.views.to_json import document_json
from tests.paths import RECORDINGS_DIR

CODE = (
    TracedCode(0x1000, b"\xfc", "cld", "start", "entry.S:1"),
    TracedCode(0x1001, b"\x40", "inc %eax", "start+0x1"),
    TracedCode(0x1002, b"\xeb\xfd", "jmp\x1b 0x1001", "loop"),
)
LOOP = (Step(1, {"rax": 1}), Step(2, {}, (Store(0x2000, b"\x01\x02"),)))
TRACE = Trace(trace.DONE, {"entry": 0, "prepare": 9}, CODE, (Step(0, {"rbx": 7}), *LOOP * 4))


def steps(*codes: int) -> list[Step]:
    return [Step(code, {}) for code in codes]


def with_trace(value: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((RECORDINGS_DIR / "grub-entry.json").read_text("utf-8"))
    return {**document, "trace": value}


def test_a_loop_is_one_item() -> None:
    assert [Fold(0, 1, 1), Fold(1, 2, 4)] == list(folded(TRACE.steps))
    assert [Fold(0, 1, 5)] == list(folded(steps(3, 3, 3, 3, 3)))
    assert [Fold(0, 1, 1), Fold(1, 1, 1), Fold(2, 1, 1), Fold(3, 1, 1)] == list(folded(steps(1, 2, 1, 2)))


def test_every_step_is_in_one_fold() -> None:
    codes = [1, 2, 3, 2, 3, 2, 3, 4, 4, 4, 4, 5, 1, 2, 3]
    counted = [(fold.start, fold.size * fold.times) for fold in folded(steps(*codes))]

    assert [start for start, _ in counted] == [
        sum(size for _, size in counted[:index]) for index in range(len(counted))
    ]
    assert len(codes) == sum(size for _, size in counted)


def test_registers_and_writers_at_a_step() -> None:
    assert {"rax": 1, "rbx": 7, "rip": 0x1002} == TRACE.registers_at({"rax": 0, "rbx": 0}, 2)
    assert [(LOOP[1], Store(0x2001, b"\x02"))] * 4 == list(TRACE.writers(0x2001, 8))
    assert [] == list(TRACE.writers(0x2002, 8))


def test_a_trace_is_written_as_it_was_read() -> None:
    document = replay(with_trace(trace.as_json(TRACE)))

    assert TRACE == document.trace
    assert trace.as_json(TRACE) == json.loads(document_json.dumps(document))["trace"]


def test_a_report_lists_the_instructions_under_functions_and_stages() -> None:
    lines = run_text.document(replay(with_trace(trace.as_json(TRACE)))).splitlines()
    at = lines.index("trace: 9 instructions; it reached its last stage")

    assert [
        " stage entry",
        "  start entry.S:1",
        "          0 0x1000  cld                                rbx=0x7",
        "          1 0x1001  inc %eax                           rax=0x1",
        "  loop",
        "          2 0x1002  jmp\\x1b 0x1001                     [0x2000]=01 02",
        "            these 2 instructions, 3 times more: rax=0x1",
        " stage prepare",
    ] == lines[at + 1 : at + 9]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ended": "late"}, "invalid ended"),
        ({"stops": {"entry": 10}}, "trace.stops"),
        ({"stops": {"nowhere": 0}}, "trace.stops"),
        ({"code": [[0, "", "nop", None, None]]}, "without bytes"),
        ({"code": [[0, "90", "nop"]]}, "row without 5 items"),
        ({"code": 1}, "trace.code is not a list"),
        ({"steps": [[3, {}, [], 1]]}, "unknown instruction"),
        ({"steps": [[-1, {}, [], 1]]}, "code is not an unsigned"),
        ({"steps": [[0, {"rax": -1}, [], 1]]}, "rax is not an unsigned"),
        ({"steps": [[0, {"\x1b": 1}, [], 1]]}, "unknown instruction or register"),
        ({"steps": [[0, {}, [[0, "zz"]], 1]]}, "not a hex string"),
        ({"steps": [[0, {}, [[0]], 1]]}, "row without 2 items"),
        ({"steps": [[0, {}, [], None]]}, "invalid times"),
    ],
)
def test_a_trace_that_pvhdbg_would_not_write_is_rejected(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(NotARecording, match=reason):
        replay(with_trace({**trace.as_json(TRACE), **changes}))
