"""The registers before a repeated instruction, from those after it: the source or the destination may be watched."""

from __future__ import annotations

import pytest

from pvhdbg.live.instructions.decode import Decoder
from pvhdbg.live.observe.operands import before_repeated
from pvhdbg.live.stub.watch import Watchpoint

MOVSL = Decoder().decode(bytes.fromhex("f3a5"), 0x100001F, 32)
MOVSB = Decoder().decode(bytes.fromhex("f3a4"), 0xFF6F7, 16)
AFTER = {"rsi": 0x2218, "rdi": 0x100B078, "rcx": 0, "eflags": 2}
BEFORE = {**AFTER, "rsi": 0x21E0, "rdi": 0x100B040, "rcx": 14}


def nothing(_linear: int, _size: int) -> bool:
    return False


@pytest.mark.parametrize(("watched", "before"), [(0x21E0, BEFORE), (0x100B040, BEFORE), (0x5000, None)])
def test_the_registers_before_rep_movsl_follow_from_what_was_watched(
    watched: int, before: dict[str, int] | None
) -> None:
    assert MOVSL is not None

    assert before == before_repeated(MOVSL, AFTER, Watchpoint(watched, 4), nothing)


def test_in_real_mode_the_base_of_the_segment_counts() -> None:
    """The copy that SeaBIOS makes of each entry of the map, behind which QEMU 10 stops: DI is 0x1c, and ES is 0x5a."""
    assert MOVSB is not None
    memory = tuple(one._replace(segment="es" if one.is_written else "ds") for one in MOVSB.memory)
    after = {"rsi": 0x9DF4, "rdi": 0x1C, "rcx": 0, "eflags": 2, "ds_base": 0xE0000, "es_base": 0x5A0}
    before = before_repeated(MOVSB._replace(memory=memory), after, Watchpoint(0x5A8, 4), nothing)

    assert {**after, "rsi": 0x9DE0, "rdi": 8, "rcx": 20} == before


@pytest.mark.parametrize("is_source", [True, False])
def test_of_two_near_structures_the_watchpoint_is_in_the_one_that_the_copy_ends_in(is_source: bool) -> None:
    assert MOVSL is not None
    near = {**AFTER, "rsi": 0x3000, "rdi": 0x3800}
    start = 0x3000 - 64 if is_source else 0x3800 - 64
    before = before_repeated(MOVSL, near, Watchpoint(start, 4), lambda at, size: (start, 64) == (at, size))

    assert before is not None
    assert (16, 0x3000 - 64) == (before["rcx"], before["rsi"])


def test_a_copy_within_one_structure_is_seen_at_its_source_first() -> None:
    assert MOVSL is not None
    near = {**AFTER, "rsi": 0x3040, "rdi": 0x3054}
    before = before_repeated(MOVSL, near, Watchpoint(0x3000, 4), lambda _at, _size: True)

    assert before is not None
    assert 16 == before["rcx"]
