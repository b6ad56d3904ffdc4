"""`who` in a trace, compared with what the observed machine says in a live session: the source of the guest."""

from __future__ import annotations

import pytest

from pvhdbg import commands
from pvhdbg.boot.session.recorded import RecordedSession
from pvhdbg.errors import UserError
from tests.traces import shipped


def asked(text: str) -> str:
    return commands.run(RecordedSession(shipped()), f"who {text}")


def test_the_writers_of_a_field_with_their_steps() -> None:
    shown = asked("boot_params.e820_entries")

    assert "written  0x7 by add_isa_hole, pvh.c:131" in shown
    assert "step 5,558: movb %al" in shown
    assert "earlier  0x6 by map_from_memmap" in shown
    assert "perhaps: the value was not followed" in shown
    assert "not read" not in shown


def test_what_a_trace_proves_about_the_origin() -> None:
    assert "register: the value of start_info.magic" in asked("pvh_start_info.magic")
    assert "register: the value of start_info.magic" in asked("0x100b040,4")
    assert "immediate: the value is a constant" in asked("e820_table.nr_entries")
    assert "computed: the instruction computed" in asked("0x100b018")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("start_info.magic", "no instruction of this trace writes start_info.magic"),
        ("0xffffffffffffffff", "no instruction of this trace writes"),
        ("0x1,0", "invalid LENGTH"),
        ("--unread", "a trace does not have the reads"),
        ("nothing", "no such field"),
    ],
)
def test_what_no_trace_can_answer(text: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        asked(text)
