"""What the rules find is on the screen: of what is looked at, now and in the past, live and of a recording."""

from __future__ import annotations

from pathlib import Path

from pvhdbg.boot.replay import load
from pvhdbg.checks.run import check
from pvhdbg.tui import events, state
from pvhdbg.tui.start import screen_of
from pvhdbg.tui.state import Run, Screen, Title
from pvhdbg.tui.update import looking, update
from tests import build

RECORDINGS = Path(__file__).parent.parent / "recordings"
DIED = load(RECORDINGS / "linux-6.1-died.json")


def stopped(screen: Screen, index: int, run: Run | None = None) -> Screen:
    stops = DIED.stops
    where = run or Run(state.STOPPED, stops[index].stage)
    return update(screen, events.Stopped(where, stops[index], stops[: index + 1], ()))


def begun() -> Screen:
    began = events.Began(Title("vmlinux", "pc"), DIED.kernel, (), True, DIED.machine)
    return update(Screen(Title("", "")), began)


def test_a_stop_brings_the_findings_that_a_recording_of_it_has() -> None:
    screen = stopped(begun(), 1)

    assert check(DIED).stops[1] == screen.findings
    assert "PVH101" in {each.code for each in screen.findings}


def test_the_past_has_its_own_findings() -> None:
    screen = looking(stopped(begun(), 1), 0)

    assert check(DIED).stops[0] == screen.findings


def test_a_death_is_explained_first_of_all() -> None:
    death = DIED.outcome.died
    assert death is not None
    screen = stopped(begun(), 2, Run(state.DEAD, death.how, 0.0, death.message, death.rip, death.symbol))

    assert check(DIED).stops[2] == screen.findings
    assert "PVH901" == screen.findings[0].code


def test_a_recording_shows_what_was_found_in_it() -> None:
    screen = screen_of(DIED, "died")

    assert check(DIED).stops[-1] == screen.findings
    assert check(DIED).stops[0] == looking(screen, 0).findings


def test_a_look_between_two_stages_is_checked_too() -> None:
    stops = build.boot().stops
    between = stops[1]._replace(registers={**stops[1].registers, "rip": 0xFFFFFFFF8305A203})
    event = events.Stopped(Run(state.STOPPED), between, stops[:2], ())
    screen = update(begun()._replace(image=build.linux(), machine=build.machine()), event)

    assert {"PVH201", "PVH203", "PVH330", "PVH340"} == {each.code for each in screen.findings}


def test_a_fresh_machine_has_no_findings_yet() -> None:
    assert () == update(stopped(begun(), 1), events.Began(Title("", ""), None, (), True)).findings
