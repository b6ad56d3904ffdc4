"""The registers before a repeated instruction, from those after it: the source or the destination may be watched."""

from __future__ import annotations

import pytest

from pvhdbg.live.instructions.decode import Decoder
from pvhdbg.live.observe.operands import before_repeated
from pvhdbg.live.stub.watch import Watchpoint

AFTER = {"rsi": 0x2218, "rdi": 0x100B078, "rcx": 0, "eflags": 2}
BEFORE = {**AFTER, "rsi": 0x21E0, "rdi": 0x100B040, "rcx": 14}


@pytest.mark.parametrize(("watched", "before"), [(0x21E0, BEFORE), (0x100B040, BEFORE), (0x5000, None)])
def test_the_registers_before_rep_movsl_follow_from_what_was_watched(
    watched: int, before: dict[str, int] | None
) -> None:
    instruction = Decoder().decode(bytes.fromhex("f3a5"), 0x100001F, 32)  # rep movsl
    assert instruction is not None

    assert before == before_repeated(instruction, AFTER, Watchpoint(watched, 4))
