"""The findings of the displayed stop: current or past, live or recorded."""

from __future__ import annotations

from pvhdbg.boot.record.replay import load
from pvhdbg.checks.run import check_run
from pvhdbg.tui.app import actions
from pvhdbg.tui.app.start import recording_screen
from pvhdbg.tui.draw.layout import Size
from pvhdbg.tui.events import events
from pvhdbg.tui.events.update import show_stage, update
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Run, Screen, StageMark, Title
from tests import build
from tests.paths import RECORDINGS_DIR

DIED = load(RECORDINGS_DIR / "linux-6.1-died.json")


def stopped(screen: Screen, index: int, run: Run | None = None) -> Screen:
    stops = DIED.stops
    where = run or Run(state.STOPPED, stops[index].stage)
    return update(screen, events.GuestStopped(where, stops[index], stops[: index + 1], ()))


def begun() -> Screen:
    began = events.MachineStarted(Title("vmlinux", "pc"), DIED.kernel, (), True, DIED.machine)
    return update(Screen(Title("", "")), began)


def test_a_stop_has_the_same_findings_as_its_recording() -> None:
    screen = stopped(begun(), 1)

    assert check_run(DIED).stops[1] == screen.findings
    assert "PVH101" in {finding.code for finding in screen.findings}


def test_a_past_stage_has_its_own_findings() -> None:
    screen = show_stage(stopped(begun(), 1), 0)

    assert check_run(DIED).stops[0] == screen.findings


def test_the_finding_about_a_death_comes_first() -> None:
    death = DIED.outcome.died
    assert death is not None
    screen = stopped(begun(), 2, Run(state.DEAD, death.how, 0.0, death.message, death.rip, death.symbol))

    assert check_run(DIED).stops[2] == screen.findings
    assert "PVH901" == screen.findings[0].code


def test_a_recording_shows_its_findings() -> None:
    screen = recording_screen(DIED, "died")

    assert check_run(DIED).stops[-1] == screen.findings
    assert check_run(DIED).stops[0] == show_stage(screen, 0).findings


def test_a_stop_between_two_stages_is_checked_too() -> None:
    stops = build.boot().stops
    between = stops[1]._replace(registers={**stops[1].registers, "rip": 0xFFFFFFFF8305A203})
    event = events.GuestStopped(Run(state.STOPPED), between, stops[:2], ())
    screen = update(begun()._replace(image=build.linux(), machine=build.machine()), event)

    assert {"PVH201", "PVH203", "PVH330", "PVH340"} == {finding.code for finding in screen.findings}


def test_findings_of_earlier_stages_are_kept_with_their_stages() -> None:
    death = DIED.outcome.died
    assert death is not None
    dead = Run(state.DEAD, death.how, 0.0, death.message, death.rip, death.symbol)
    screen = stopped(stopped(begun(), 0), 2, dead)
    code_by_stage = {entry.finding.code: entry.stages for entry in screen.boot_findings}

    assert {(finding.code, finding.message) for finding in check_run(DIED).all} == {
        (entry.finding.code, entry.finding.message) for entry in screen.boot_findings
    }
    assert "entry" in code_by_stage["PVH101"]
    assert screen.findings == tuple(entry.finding for entry in screen.boot_findings if entry.is_current)


def test_new_findings_are_marked() -> None:
    screen = stopped(begun(), 1)

    assert {finding.code for finding in check_run(DIED).new[1]} == {
        entry.finding.code for entry in screen.boot_findings if entry.is_new
    }
    assert not any(entry.is_new for entry in show_stage(screen, 0).boot_findings)


def test_a_past_stage_does_not_show_later_findings() -> None:
    screen = show_stage(stopped(begun(), 1), 0)

    assert check_run(DIED).stops[0] == tuple(entry.finding for entry in screen.boot_findings)


def test_enter_on_an_earlier_finding_goes_to_its_stage_and_backspace_returns() -> None:
    document = load(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json")
    screen = recording_screen(document, "boot")
    last = show_stage(screen, None)._replace(view="findings")
    gone = next(at for at, entry in enumerate(last.boot_findings) if not entry.is_current)
    there = actions.act("follow", last.at(gone), Size(120, 38))
    back = actions.act("back", there, Size(120, 38))

    assert last.boot_findings[gone].stages[-1] == there.capture.stage if there.capture else None
    assert "findings" != there.view
    assert ("findings", None, gone) == (back.view, back.past, back.position.cursor)


def test_a_restart_clears_the_findings() -> None:
    assert () == update(stopped(begun(), 1), events.MachineStarted(Title("", ""), None, (), True)).findings


def test_a_death_before_attaching_is_judged_by_the_stages_that_passed_without_a_capture() -> None:
    died, run = DIED.stops[2], Run(state.DEAD, "triple-fault")
    marks = (StageMark("entry", state.MISSED), StageMark("prepare", state.AHEAD))
    late, never = (update(begun(), events.GuestStopped(run, died, (died,), passed)) for passed in (marks, ()))

    assert "PVH907" not in {finding.code for finding in late.findings}
    assert "PVH907" in {finding.code for finding in never.findings}
