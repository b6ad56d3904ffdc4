"""A session with a recording."""

from __future__ import annotations

import pytest

from pvhdbg.boot.lab.assignment import assignment
from pvhdbg.boot.lab.rewrite import EntryChange
from pvhdbg.boot.record.document import DEAD, Death, Outcome
from pvhdbg.boot.session.recorded import RecordedSession
from pvhdbg.boot.stop.stages import STAGES
from pvhdbg.errors import UserError
from tests import build


def test_a_stage_that_was_not_captured_is_missing() -> None:
    boot = build.boot()
    short = RecordedSession(boot._replace(stops=boot.stops[:2]))

    assert [None, None, "not in this recording"] == [short.why_lacking(stage) for stage in STAGES[:3]]


def test_a_stage_after_the_death_was_not_reached() -> None:
    boot = build.boot()
    outcome = Outcome("prepare", DEAD, Death("triple-fault", 0x1000, "xen_prepare_pvh", ""))
    died = RecordedSession(boot._replace(stops=boot.stops[1:2], outcome=outcome))

    assert [
        "not in this recording",
        None,
        "not reached: the guest died at xen_prepare_pvh",
    ] == [died.why_lacking(stage) for stage in STAGES[:3]]


@pytest.mark.parametrize(("reached", "count"), [(None, 0), ("entry", 1), ("prepare", 2), ("bootparams", 3)])
def test_stages_up_to_the_last_reached_one_are_missing_and_later_ones_were_not_reached(
    reached: str | None, count: int
) -> None:
    boot = build.boot()
    died = RecordedSession(boot._replace(stops=(), outcome=Outcome(reached, DEAD, Death("reset", None, None, ""))))
    reasons = [died.why_lacking(stage) for stage in STAGES]

    assert ["not in this recording"] * count + ["not reached: the guest died"] * (len(STAGES) - count) == reasons


@pytest.mark.parametrize("command", ["next-stage", "run-to"])
def test_a_recording_does_not_run(command: str) -> None:
    session = RecordedSession(build.boot())

    with pytest.raises(UserError, match=rf"^{command}: not available in a recording$"):
        session.next_stage() if command == "next-stage" else session.go("kernel")


@pytest.mark.parametrize(
    ("command", "change"), [("protocol", "v0"), ("set", assignment("start_info.version", "0"))], ids=str
)
def test_a_recording_is_read_only(command: str, change: EntryChange) -> None:
    with pytest.raises(UserError, match=f"^{command}: a recording is read-only$"):
        RecordedSession(build.boot()).rewrite(change)


def test_a_symbol_that_was_not_captured_is_unknown() -> None:
    session = RecordedSession(build.boot())

    with pytest.raises(UserError, match=r"^no symbol start_kernel_$"):
        session.evaluate("start_kernel_", session.history[-1])
