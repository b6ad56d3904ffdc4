"""A guest that ended without dying, on the screen: live, and at the end of a recording."""

from __future__ import annotations

import pytest

from pvhdbg.boot.record.document import DEAD, DONE, HALTED, PANICKED, RUNAWAY, TIMED_OUT, Outcome, Watched
from pvhdbg.tui.app.start import recording_screen
from pvhdbg.tui.events import events
from pvhdbg.tui.events.update import show_stage, update
from pvhdbg.tui.lines import classes
from pvhdbg.tui.screen import ending, state
from pvhdbg.tui.screen.state import Run, Screen
from tests.tui import screens
from tests.tui.screens import lines, styled, styles

TEXT = "Out of cheese"
PRINTED = tuple(f"[    0.000000] line {number}" for number in range(9))
PANICS = (*PRINTED, f"[    0.000000] Kernel panic - not syncing: {TEXT}", *map(str, range(30)))
LONG = "a reason that is much longer than what fits on a line of eighty columns together with the mode"
HERE = screens.at("bootparams")


def panicked(text: str = TEXT) -> Outcome:
    return Outcome("bootparams", DONE, watched=Watched(PANICKED, 677, 0x1234, "setup_arch+0x12", text, PANICS[-3:]))


def halted(*printed: str) -> Outcome:
    return Outcome("bootparams", DONE, watched=Watched(HALTED, 660, 0x1234, "halt+0x17", "", printed))


def wild() -> Outcome:
    return Outcome("bootparams", DONE, watched=Watched(RUNAWAY, 660, 0x1234, None))


def stopped(outcome: Outcome | None, screen: Screen = HERE) -> Screen:
    """Return the screen after the guest has run on from it."""
    assert screen.now is not None
    ran = update(screen, events.GuestRuns(1.0))
    run = Run(state.STOPPED, "", rip=0xFFFFFFFF81000020, symbol="delay_loop+0x20")
    return update(ran, events.GuestStopped(run, screen.now._replace(rip=run.rip), screen.history, ran.stages, outcome))


def test_a_panic_is_reported_like_a_death_and_its_finding_is_shown_first() -> None:
    screen = stopped(panicked(), HERE._replace(serial=PANICS))
    top, timeline = lines(screen, (120, 40))[:2]

    assert f"✖ panic: {TEXT}" in top
    assert "bootparams ● ✖ panicked" in timeline
    assert "bootparams ●✖ panicked" in lines(screen, (80, 24))[1]
    assert f"the kernel panicked: {TEXT}. F8: go back, F4: restart" == screen.message
    assert ("findings", "PVH912") == (screen.view, screen.boot_findings[0].finding.code)
    assert {classes.DEAD, classes.DIED} <= styles(screen)


@pytest.mark.parametrize("text", ["Attempted to kill the idle task!", "No working init found. "])
def test_a_sentence_of_the_kernel_is_not_followed_by_a_second_full_stop(text: str) -> None:
    assert f"the kernel panicked: {text.rstrip(' .!')}. F8: go back, F4: restart" == stopped(panicked(text)).message


def test_the_serial_console_is_shown_at_the_panic() -> None:
    screen = stopped(panicked(), HERE._replace(serial=PANICS))
    text = screens.text(screen._replace(view="serial"))

    assert PRINTED[8] in text
    assert f"Kernel panic - not syncing: {TEXT}" in text
    assert PRINTED[4] not in text
    assert ending.panic_line(PRINTED) is None


def test_a_problem_that_the_kernel_reports_has_the_color_of_a_finding() -> None:
    lines_shown = (*PRINTED[:2], "[    0.000000] WARNING: CPU: 0 PID: 0 at x.c:1", PANICS[9])
    screen = HERE._replace(view="serial", serial=lines_shown)

    assert "Kernel panic" in styled(screen, classes.FINDINGS["error"])
    assert "WARNING: CPU" in styled(screen, classes.FINDINGS["warning"])
    assert "line 1" in styled(screen, classes.SERIAL)


@pytest.mark.parametrize(
    ("text", "shown"), [(LONG, "✖ panic: a reason that is much longer than what …"), ("", "✖ pan")]
)
def test_the_reason_of_a_panic_is_cut_if_it_is_long_and_may_be_unknown(text: str, shown: str) -> None:
    screen = stopped(panicked(text))

    assert shown in lines(screen)[0]
    assert screen.message.startswith(f"the kernel panicked: {LONG}." if text else "the kernel panicked.")


def test_a_halted_guest_is_not_shown_as_running_and_the_view_is_what_it_wrote() -> None:
    screen = stopped(halted("one", "panic: no RAM", "halting"))
    top, timeline = lines(screen)[:2]

    assert "■ halted for good" in top
    assert "bootparams ● ■ halted" in timeline
    assert "the guest has halted for good: panic: no RAM / halting. F8: go back, F4: restart" == screen.message
    assert "serial" == screen.view
    assert "PVH914" in {entry.finding.code for entry in screen.boot_findings}


def test_a_guest_that_halts_without_a_word_has_its_finding_shown() -> None:
    screen = stopped(halted())

    assert ("findings", "the guest has halted for good. F8: go back, F4: restart") == (screen.view, screen.message)


def test_a_guest_that_executes_zero_bytes_is_reported_with_its_finding() -> None:
    screen = stopped(wild())
    top, timeline = lines(screen, (120, 40))[:2]

    assert "✖ executes zero bytes" in top
    assert "bootparams ● ✖ left its code" in timeline
    assert "the guest executes zero bytes: it has left its code. F8: go back, F4: restart" == screen.message
    assert ("findings", "PVH917") == (screen.view, screen.boot_findings[0].finding.code)


def test_keys_that_a_machine_of_others_does_not_have_are_not_offered() -> None:
    screen = stopped(halted("halting"), HERE._replace(is_own_machine=False))

    assert "the guest has halted for good: halting" == screen.message


def test_a_halt_before_a_stage_names_the_stage_in_its_finding() -> None:
    outcome = halted("no way")._replace(ended=TIMED_OUT, waited_for="kernel", rip=0x1234)
    codes = {entry.finding.code: entry.finding.message for entry in stopped(outcome).boot_findings}

    assert "did not reach stage kernel" in codes["PVH910"]
    assert "PVH914" not in codes


def test_an_end_is_reported_once_and_forgotten_when_the_guest_goes_back_or_restarts() -> None:
    ended = stopped(panicked())
    again = stopped(ended.outcome, ended._replace(view="code", message=""))
    back = stopped(None, ended)
    started = update(ended, events.MachineStarted(ended.title, None, (), True))

    assert ("code", "") == (again.view, again.message)
    assert "PVH912" not in {entry.finding.code for entry in back.boot_findings}
    assert "stopped" in lines(back)[0]
    assert (None, "start_info") == (started.outcome, started.view)


def test_while_the_guest_runs_on_after_a_panic_it_is_shown_as_running() -> None:
    screen = update(stopped(panicked()), events.GuestRuns(1.0))._replace(clock=3.0)

    assert "▶ running 2 s" in lines(screen)[0]
    assert "panicked" not in lines(screen)[1]


@pytest.mark.parametrize(
    ("outcome", "code", "word"),
    [(panicked(), "PVH912", "panicked"), (halted(), "PVH914", "halted"), (wild(), "PVH917", "executes zero bytes")],
)
def test_the_end_of_a_recording_has_its_findings(outcome: Outcome, code: str, word: str) -> None:
    document = screens.boot()._replace(outcome=outcome)
    screen = show_stage(recording_screen(document, "boot.json"), None)
    first = show_stage(screen, 0)

    assert code in {entry.finding.code for entry in screen.boot_findings}
    assert code not in {entry.finding.code for entry in first.boot_findings}
    assert f"recording: {word}" in lines(screen, (120, 40))[0]
    assert ("left its code" if code == "PVH917" else word) in lines(screen)[1]


def test_stages_that_a_recorded_guest_did_not_reach_are_not_stages_that_it_lacks() -> None:
    document = screens.boot()
    cut = document._replace(stops=document.stops[:3])
    died, done = (recording_screen(cut._replace(outcome=Outcome("bootparams", how)), "x") for how in (DEAD, DONE))

    assert [state.PASSED, state.PASSED, state.HERE, state.AHEAD, state.AHEAD] == [it.status for it in died.stages]
    assert [state.LACKING] * 2 == [it.status for it in done.stages[3:]]
