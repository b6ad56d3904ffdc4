"""The next stage of a live session, and the errors. tests/live/test_commands.py has tests on real machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.session.live import LiveSession
from pvhdbg.boot.session.recorded import recording_of
from pvhdbg.boot.stop import stages
from pvhdbg.errors import GuestError, PvhdbgError, UserError
from pvhdbg.target.base import RESET, Halt
from pvhdbg.target.recording import Recording
from tests import build

if TYPE_CHECKING:
    from collections.abc import Collection

    from pvhdbg.target.base import Runner

RUN = build.boot()


def session_at(index: int, note: str | None = None, runner: Runner | None = None) -> LiveSession:
    """Return a session whose machine is at a stage of the recorded run. It has the captures up to that stage."""
    symbols = {str(stage.symbol): 0x1000 for stage in stages.STAGES}
    target = recording_of(RUN.stops[index]._replace(symbols=symbols))
    journey = Journey(target, cast("Runner", runner), RUN.kernel, trust_image=True)
    journey.history.extend(RUN.stops[: index + 1])
    return LiveSession(journey, note=note)


def refused(session: LiveSession) -> tuple[type[PvhdbgError], str, str | None]:
    """Return the session's error when it is asked for the next stage."""
    with pytest.raises(PvhdbgError) as error:
        session.stage_ahead()
    return type(error.value), str(error.value), error.value.hint


def test_memory_is_the_machines_at_the_current_stop_and_what_was_captured_at_a_past_one() -> None:
    session = session_at(1)
    now = session.capture_now()

    assert session.journey.target is session.target_at(now)
    assert isinstance(session.target_at(session.history[0]), Recording)
    assert session.journey.target is not session.target_at(session.history[0])


class Resetting:
    """A runner whose machine is reset as soon as it runs."""

    def run_to(self, _addresses: Collection[int], _timeout: float) -> Halt:
        return Halt(RESET, 0xFFF0)


def test_a_reset_while_the_guest_runs_discards_all_captures_and_is_an_error() -> None:
    journey = session_at(1, runner=Resetting()).journey

    with pytest.raises(GuestError, match=r"^the guest was reset and boots again$"):
        list(journey.go("e820", 1.0))
    assert [] == journey.history


def test_a_machine_that_is_at_an_earlier_stage_again_was_reset() -> None:
    session = session_at(0)
    session.journey.history.extend(RUN.stops[1:4])

    assert "entry" == session.current().stage
    assert ["entry"] == [capture.stage for capture in session.history]
    assert ["the guest was reset and boots again: earlier captures are discarded"] == session.journey.news


@pytest.mark.parametrize(("is_loaded_by_pvhdbg", "kept"), [(True, ["entry", "prepare"]), (False, [])])
def test_real_mode_is_a_reset_only_on_a_machine_that_can_be_reset(is_loaded_by_pvhdbg: bool, kept: list[str]) -> None:
    last = RUN.stops[1]
    target = recording_of(last._replace(registers={**last.registers, "rip": 0x2D8, "cr0": 0x10}, symbols={}))
    journey = Journey(target, cast("Runner", None), RUN.kernel, trust_image=is_loaded_by_pvhdbg)
    journey.history.extend(RUN.stops[:2])
    journey.capture_now()

    assert kept == [capture.stage for capture in journey.history]
    assert is_loaded_by_pvhdbg == (journey.news == [])


@pytest.mark.parametrize(("rip", "stage"), [(0x1000123, stages.UNSEEN), (0xFFF0, stages.RESET)])
def test_a_machine_in_which_no_stage_was_captured_is_before_the_entry_only_if_none_was_passed(
    rip: int, stage: str
) -> None:
    first = RUN.stops[0]
    target = recording_of(first._replace(registers={**first.registers, "rip": rip, "cr0": 0x11}, symbols={}))
    journey = Journey(target, cast("Runner", None), RUN.kernel, trust_image=True)

    assert stage == journey.capture_now().stage


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("call   0x1000", "call   0x1000 <name_of_1000>"),
        ("jne    0x2000", "jne    0x2000 <name_of_2000>"),
        ("call   *0x1000", "call   *0x1000"),
        ("mov    0x1000,%eax", "mov    0x1000,%eax"),
        ("jmp    0x3000", "jmp    0x3000"),
    ],
)
def test_a_branch_has_the_name_of_its_target(instruction: str, expected: str) -> None:
    names = {0x1000: "name_of_1000", 0x2000: "name_of_2000"}
    journey = session_at(1).journey
    session = LiveSession(journey, disassembler=lambda _address, _count: [instruction], name_of=names.get)

    assert [expected] == session.disassemble(0x1000, 1)


def test_the_next_stage_is_the_first_one_ahead() -> None:
    assert ["prepare", "bootparams", "kernel", "e820"] == [session_at(index).stage_ahead() for index in range(4)]


def test_after_the_last_stage_none_are_left() -> None:
    hint = "see `stages` for what was captured"

    assert (UserError, "no stages left after e820", hint) == refused(session_at(4))
    assert (UserError, "no stages left after e820: no symbols", hint) == refused(session_at(4, "no symbols"))


def test_without_a_kernel_no_stages_are_known() -> None:
    session = LiveSession(Journey(recording_of(RUN.stops[0]._replace(symbols={})), cast("Runner", None), None))

    assert (UserError, "no stages known", "pass the kernel file to get its entry and symbols") == refused(session)


def test_a_dead_guest_has_no_next_stage() -> None:
    session = session_at(1)
    session.journey.history.append(RUN.stops[1]._replace(stage=stages.DIED))

    assert (GuestError, "the guest is dead", "start the guest again") == refused(session)
    assert stages.DIED == session.current().stage


def noted(symbol: str, *runs: tuple[str | None, float]) -> str | None:
    """Return how the guest has ended, as far as known, after runs that ended like this and lasted so many seconds."""
    session = LiveSession(session_at(1).journey, name_of=lambda _: symbol)
    for ended, seconds in runs:
        session.note_end(ended, seconds)
    return session.ended.watched.ended if session.ended and session.ended.watched else None


def test_only_a_panic_stays_and_a_kernel_that_calibrates_for_long_is_noted() -> None:
    assert "panicked" == noted("f", ("panicked", 1.0), (None, 9.0))
    assert noted("f", ("halted", 1.0), (None, 9.0)) is None
    assert noted("f", ("runaway", 1.0)) is None
    assert "time" == noted("calibrate_delay+0x308", (None, 9.0))
    assert noted("calibrate_delay+0x308", (None, 1.0)) is None
    assert noted("calibrate_delay+0x308", (None, 9.0), (None, 1.0)) is None
