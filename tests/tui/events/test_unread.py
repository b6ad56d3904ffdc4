"""The marks on the tabs of the serial console and of the log, and the guest's last line after its death."""

from __future__ import annotations

import pytest

from pvhdbg.checks.finding import Finding
from pvhdbg.tui.events import events
from pvhdbg.tui.events.update import update
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import BootFinding, Log, Run, Screen
from tests.tui.screens import at, lines, text

SIZES = ((80, 24), (100, 30), (120, 40), (200, 60))
NEW = events.SerialOutput(b"panic: the memory map has no RAM above 1 MiB\r\n\r\n")
DEAD = Run(state.DEAD, "triple-fault", 0.0, "triple fault at 0x1000, in main", 0x1000, "main")


def tabs(screen: Screen, size: tuple[int, int]) -> str:
    return next(line for line in lines(screen, size) if line.startswith(("┌", "+")))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("is_ascii", [False, True])
def test_a_tab_has_a_star_while_it_has_lines_that_were_not_looked_at(size: tuple[int, int], is_ascii: bool) -> None:
    screen = at("prepare", ascii=is_ascii)
    written = update(screen, NEW)
    logged = update(written, events.LogRead(Log(("[    0.000000] Linux",)), "prepare"))
    looked = update(written._replace(view="serial"), events.QueueLength(0))

    assert ("9*" in tabs(screen, size), "9*" in tabs(written, size)) == (False, True)
    assert ("0*" in tabs(written, size), "0*" in tabs(logged, size)) == (False, True)
    assert "9*" not in tabs(written._replace(view="serial"), size)
    assert "9*" not in tabs(looked._replace(view="cpu"), size)
    assert "9*" in tabs(update(looked._replace(view="cpu"), NEW), size)
    assert "9*" not in tabs(update(looked, NEW)._replace(view="cpu"), size)


def test_a_log_that_did_not_grow_and_a_new_boot_have_no_star() -> None:
    same = events.LogRead(Log(("[    0.000000] Linux",)), "prepare")
    logged = update(at("prepare", log=same.log), same)
    started = events.MachineStarted(logged.title, None, (), is_own_machine=True, machine=None)

    assert frozenset() == logged.unread
    assert frozenset() == update(update(logged, NEW), started).unread
    assert frozenset() == update(update(logged, NEW), events.SerialRewound(b"before")).unread


@pytest.mark.parametrize("size", SIZES)
def test_after_a_death_the_guests_last_line_is_in_the_detail_and_in_the_output(size: tuple[int, int]) -> None:
    here = update(at("prepare"), NEW)
    died = here._replace(now=here.now and here.now._replace(stage="died"))
    assert died.now is not None
    stop = events.GuestStopped(DEAD, died.now, (*here.history, died.now), here.stages)
    shown = update(here, stop)
    found = Finding("PVH900", "error", "triple fault at 0x1000", "rip", None)
    shown = shown._replace(boot_findings=(BootFinding(found, ("died",)),))

    assert "findings" == shown.view
    assert any(line.startswith("pvhdbg: the last line on its serial console (view 9):") for line in shown.output)
    assert 'on its serial console (view serial): "panic: the memory map' in " ".join(
        line.strip("│ ") for line in lines(shown, size)
    )
    assert "9*" in tabs(shown, size)


def test_without_serial_output_the_last_line_of_the_log_is_shown() -> None:
    found = BootFinding(Finding("PVH900", "error", "triple fault at 0x1000", "rip", None), ("died",))
    shown = at("prepare", "findings", boot_findings=(found,), log=Log(("[    0.000000] Linux", "no RAM", "")))

    assert 'The last line in its log (view log): "no RAM"' in text(shown)
    assert "The last line" not in text(shown._replace(log=Log()))
