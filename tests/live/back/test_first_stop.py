"""Go back from the first stop of a real machine, when there is no earlier snapshot yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.errors import UserError
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.target.base import DIED
from tests import tiny
from tests.live.back.conftest import Start, state_of
from tests.live.back.test_last_step import steps_forward
from tests.live.runs import rewindable


@pytest.mark.parametrize("has_snapshot", [True, False])
def test_a_step_back_from_the_first_stop_restarts_the_guest(has_snapshot: bool) -> None:
    with OwnMachine() as machine:
        debuggee = rewindable(machine, guest.ELF, ())
        if has_snapshot:
            debuggee.keep_snapshot()
        first = state_of(debuggee)
        position = debuggee.step_back()

        assert (None, "back by one instruction") == (position.stage, position.remark)
        assert ["entry"] == [capture.stage for capture in debuggee.session.history]
        assert first[1:] == steps_forward(debuggee, 1)[-1]
        assert "prepare" == debuggee.position().stage
        assert "back by one instruction" == debuggee.step_back().remark


def test_there_is_no_step_back_from_the_first_instruction(at_prepare: Start) -> None:
    debuggee = at_prepare()
    debuggee.back("entry")

    with pytest.raises(UserError, match=r"^can't go back: this is the first instruction of the guest$"):
        debuggee.step_back()


def test_a_guest_that_dies_before_its_first_stop_is_alive_again(at_prepare: Start, tmp_path: Path) -> None:
    kernel = tmp_path / "dying.elf"
    kernel.write_bytes(tiny.dying_before_prepare())
    debuggee = at_prepare(kernel)
    death = debuggee.position()
    position = debuggee.step_back()

    assert DIED == death.halt.kind
    assert (tiny.DIES_AT, "back at the instruction that killed the guest") == (position.halt.rip, position.remark)
    assert ["entry"] == [capture.stage for capture in debuggee.session.history]
    assert DIED == debuggee.resume("stepi").halt.kind
