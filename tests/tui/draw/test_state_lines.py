"""The two lines at the top."""

from __future__ import annotations

import pytest

from pvhdbg.boot.record.document import DEAD, PANICKED, Outcome, Watched
from pvhdbg.checks.finding import Finding
from pvhdbg.tui.app.start import recording_screen
from pvhdbg.tui.events import events
from pvhdbg.tui.events.update import update
from pvhdbg.tui.lines import classes
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import BootFinding, Run, StageMark
from tests.tui import screens
from tests.tui.screens import at, lines, styled

HERE = at("prepare")
LONGEST = (
    "pvhdbg   vmlinux-6.1.0-56-cloud-amd64   microvm tcg 512M   ■ stopped at prepare"
    "   long64, paging on (4 levels)   rip 0xffffffff8305a1ff xen_prepare_pvh   symbols loaded"
)


def test_a_wide_terminal_shows_the_whole_state() -> None:
    assert LONGEST == lines(HERE, (200, 60))[0].strip()


def test_at_120_columns_the_machine_is_dropped() -> None:
    shown = "pvhdbg   vmlinux-6.1.0-56-cloud-amd64   ■ stopped at prepare   long64, paging on"

    assert f"{shown}   0xffffffff8305a1ff xen_prepare_pvh" == lines(HERE, (120, 40))[0].strip()


def test_at_80_columns_stage_mode_and_rip_are_left() -> None:
    shown = "■ stopped at prepare   long64, paging on   0xffffffff8305a1ff xen_prepare_pvh"

    assert shown == lines(HERE)[0].strip()


def test_on_a_narrower_terminal_missing_symbols_are_shown_longer_than_loaded_symbols() -> None:
    assert "loading" in lines(HERE._replace(symbols=state.LOADING), (120, 40))[0]
    assert "symbols" not in lines(HERE, (120, 40))[0]


@pytest.mark.parametrize(
    ("run", "shown"),
    [
        (Run(), "… starting"),
        (Run(state.STOPPED), "■ stopped"),
        (Run(state.STOPPED, "a breakpoint"), "■ stopped at a breakpoint"),
        (Run(state.RUNNING, since=10.0), "▶ running 2 s"),
        (Run(state.RUNNING, since=99.0), "▶ running 0 s"),
        (Run(state.DEAD, how="triple-fault", rip=0x10, symbol="bad+0x2"), "✖ died: triple-fault"),
        (Run(state.ENDED), "□ ended"),
        (Run(state.ENDED, "gdb exited with status 1"), "□ ended: gdb exited with status 1"),
        (Run(state.RECORDING), "◌ recording"),
    ],
)
def test_the_run_state_has_a_sign_and_words(run: Run, shown: str) -> None:
    screen = HERE._replace(run=run, clock=12.9)

    assert shown == styled(screen, classes.RUNS[run.kind])


def test_a_death_is_shown_with_its_place() -> None:
    run = Run(state.DEAD, how="triple-fault", rip=0xFFFFFFFF8305A2B3, symbol="xen_prepare_pvh+0xb4")

    assert "✖ died: triple-fault   long64   0xffffffff8305a2b3 xen_prepare_pvh+0xb4" in lines(HERE._replace(run=run))[0]


def test_the_cause_of_a_death_is_shortened_before_its_place_is_dropped() -> None:
    long = "triple fault (or the guest itself asked for a reset or shutdown)"
    run = Run(state.DEAD, "triple-fault", 0.0, long, 0xFFFFFFFF8305A2B3, "xen_prepare_pvh+0xb4")

    assert "✖ died: triple fault   long64   0xffffffff8305a2b3 xen_prepare_pvh+0xb4" in lines(HERE._replace(run=run))[0]
    assert f"✖ died: {long}" in lines(HERE._replace(run=run), (200, 60))[0]


def test_while_the_guest_runs_mode_and_rip_are_not_shown() -> None:
    shown = lines(HERE._replace(run=Run(state.RUNNING, rip=0x1234)), (120, 40))[0]

    assert "long64" not in shown
    assert "0x1234" not in shown


def test_the_timeline_shows_the_state_of_stages_by_signs() -> None:
    marks = (
        StageMark("entry", state.PASSED),
        StageMark("prepare", state.HERE),
        StageMark("kernel", state.AHEAD),
        StageMark("e820", state.LACKING, "no symbol e820_table"),
    )

    assert "entry ●─── prepare ◉─── kernel ○─── e820 −" == lines(HERE._replace(stages=marks))[1].strip()  # noqa: RUF001


def test_the_displayed_past_stage_is_in_brackets() -> None:
    screen = at("e820", past=2)

    assert "[bootparams ●]" in lines(screen)[1]
    assert "[bootparams ●]" == styled(screen, classes.SHOWN)


def test_queued_commands_and_findings_are_counted() -> None:
    severities = ("error", "warning", "warning", "info", "info")
    entries = tuple(
        BootFinding(Finding("PVH", severity, "", ""), ("entry",), is_current=False) for severity in severities
    )
    screen = HERE._replace(boot_findings=(entries[0]._replace(is_current=True, is_new=True), *entries[1:]), queued=3)

    assert lines(screen, (140, 40))[1].endswith("found so far: ✖ 1 error ▲ 2 warnings ℹ 2 info *1 new ")  # noqa: RUF001
    assert lines(screen, (90, 24))[1].endswith("3 queued  so far: ✖ 1 ▲ 2 ℹ 2 *1 new ")  # noqa: RUF001


def test_names_from_outside_cannot_control_the_terminal() -> None:
    screen = HERE._replace(
        title=state.Title("\x1b[2J.elf", "q\n35"), run=HERE.run._replace(symbol="\x9b0m", where="\r")
    )
    shown = lines(screen, (200, 60))[0]

    assert r"\x1b[2J.elf   q\x0a35   ■ stopped at \x0d" in shown
    assert r"\x9b0m" in shown


def test_the_place_of_an_attached_machine_is_not_cut_in_the_middle() -> None:
    here = HERE._replace(title=HERE.title._replace(machine="at localhost:1234"))
    shown = [lines(here, (width, 40))[0] for width in range(80, 200)]

    assert any("   attached   " in line for line in shown)
    assert any("   at localhost:1234   " in line for line in shown)
    assert not any("   at   " in line for line in shown)


def test_the_header_of_a_past_stage_has_that_stages_mode_and_rip() -> None:
    now, past = at("e820"), at("e820", past=0)
    entry = past.history[0]

    assert f"shown: entry    {entry.cpu_mode}, paging off   rip {entry.rip:#x}   symbols" in lines(past, (200, 60))[0]
    assert "shown:" not in lines(now, (200, 60))[0]
    assert "■ stopped at e820" in lines(past)[0]


def test_the_stage_strip_marks_where_the_guest_died() -> None:
    dead = at("prepare")._replace(run=Run(state.DEAD, how="triple-fault"))

    assert " prepare ◉ ✖ died─── bootparams ○" in lines(dead, (200, 60))[1]
    assert "X died" in lines(dead._replace(ascii=True))[1]
    assert "died" not in lines(HERE)[1]
    assert "✖ died" == styled(dead, classes.DIED, (200, 60))


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 40), (200, 60)])
@pytest.mark.parametrize(("is_ascii", "sign"), [(False, "◆"), (True, "#")])
def test_a_stop_between_two_stages_has_a_sign_of_its_own(size: tuple[int, int], is_ascii: bool, sign: str) -> None:
    for stage, last in (("bootparams", False), ("e820", True)):
        here = at(stage, ascii=is_ascii)
        marks = tuple(mark._replace(status=state.PASSED) if mark.name == stage else mark for mark in here.stages)
        between = lines(here._replace(stages=marks, run=Run(state.STOPPED)), size)[1]

        assert sign not in lines(here, size)[1]
        assert between.index(f"{stage} ") < between.index(sign)
        assert last or between.index(sign) < between.index("kernel")


def test_the_finding_decides_how_a_death_is_worded() -> None:
    death = Run(state.DEAD, "triple-fault", how="triple fault (or the guest itself asked for a reset or shutdown)")
    certain = BootFinding(
        Finding("PVH901", "error", "BUG (ud2)", "registers.rip", explains_death=True), ("died",), is_current=True
    )
    unknown = certain._replace(finding=certain.finding._replace(explains_death=False))
    shown = [lines(HERE._replace(run=death, boot_findings=(it,)), (200, 60))[0] for it in (certain, unknown)]

    assert "✖ died: triple fault   " in shown[0]
    assert "✖ died: triple fault (or the guest itself asked for a reset or shutdown)" in shown[1]


def test_a_reset_after_a_panic_is_not_called_a_triple_fault_where_its_reason_does_not_fit() -> None:
    outcome = Outcome("e820", DEAD, watched=Watched(PANICKED, 0, None, None, "no"))
    run = Run(state.DEAD, "triple-fault", how="the machine was reset after the kernel panicked: " + "no root " * 9)
    screen = HERE._replace(run=run, outcome=outcome)

    assert "✖ died: reset after a panic" in lines(screen, (100, 30))[0]


def test_a_queued_command_and_what_it_waits_for_are_named() -> None:
    screen = update(HERE._replace(symbols=state.LOADING), events.QueueLength(1, "F5"))

    assert "F5 waits for symbols" in lines(screen, (120, 40))[0]
    assert "1 command queued" in lines(screen)[1]
    assert "waits" not in lines(update(screen, events.QueueLength(0)), (120, 40))[0]


def test_a_recording_has_its_name_and_no_word_about_symbols() -> None:
    screen = recording_screen(screens.boot(), "boot.json")

    assert "boot.json" in lines(screen, (120, 40))[0]
    assert "symbols" not in lines(screen, (200, 60))[0]


@pytest.mark.parametrize(("is_ascii", "sign"), [(False, "2✖mod"), (True, "2Xmod")])
def test_the_tab_of_a_view_with_a_bad_row_has_the_findings_sign(is_ascii: bool, sign: str) -> None:
    bad = Finding("PVH306", "error", "too large", "modules[0].size")
    info = Finding("PVH201", "info", "a gap", "memory_map.entries[0]")
    other = Finding("PVH209", "error", "no RAM", "kernel.segments[0]")
    tabs = screens.text(HERE._replace(findings=(bad, info, other), ascii=is_ascii), (120, 40)).splitlines()[4]

    assert sign in tabs
    assert "3 memory" in tabs or "3*memory" in tabs
    assert "1✖" not in tabs
