"""Steps on the screen over a live machine, on a real terminal."""

from tests.tui.tmux import LOOP, Start, quit_by


def test_after_steps_past_a_stage_f6_goes_to_the_next_one_and_the_other_is_marked_as_passed(at_prepare: Start) -> None:
    shell = at_prepare()
    shell.type("starti")
    shell.wait("stopped at entry")
    shell.type("stepi 50")
    shell.wait("running_on_xen+")
    shell.keys("F6")
    text = shell.wait("stopped at bootparams")
    shell.type("stages")
    shell.wait("prepare     passed, not captured")
    for stage in ("kernel", "e820"):
        shell.keys("F6")
        shell.wait(f"stopped at {stage}")
    quit_by(shell)

    assert "entry ●─── prepare ◌─── bootparams ◉" in text
    assert [] == shell.leftovers()


def test_a_step_executes_a_repeated_string_instruction_as_a_whole(at_prepare: Start) -> None:
    shell = at_prepare()
    shell.type("starti")
    shell.wait("stopped at entry")
    shell.type("stepi 9")
    shell.wait("0x100001f")
    shell.keys("Tab", "i")
    text = shell.wait("0x1000021")
    quit_by(shell)

    assert "pvh_start_xen" in text


def test_inside_a_function_the_legend_offers_to_leave_it(at_prepare: Start) -> None:
    shell = at_prepare()
    at_stage = shell.text
    shell.type("break running_on_xen")
    shell.type("continue")
    shell.wait("stopped at breakpoint 1")
    text = shell.wait("Shift-F11 leave function")
    shell.keys("S-F11")
    shell.wait("the function's return")
    quit_by(shell)

    assert "Shift-F11" not in at_stage.splitlines()[-1]
    assert "F6 → bootparams" in text.splitlines()[-1]


def test_a_typed_starti_or_stage_command_interrupts_a_guest_that_runs_on(at_prepare: Start) -> None:
    shell = at_prepare()
    shell.type(LOOP)
    shell.keys("F5")
    shell.wait("running")
    shell.type("starti")
    shell.wait("stopped at entry")
    shell.type(LOOP)
    shell.type("continue")
    shell.wait("running")
    shell.type("p 1 + 1")
    shell.wait("1 queued")
    shell.type("run")
    text = shell.wait("stopped at prepare")
    shell.type(LOOP)
    shell.keys("F5")
    shell.wait("running")
    shell.type("back entry")
    shell.wait("stopped at entry")
    quit_by(shell)

    assert "dropped without being run: p 1 + 1" in text
    assert [] == shell.leftovers()


def test_ctrl_c_lists_what_it_drops(at_prepare: Start) -> None:
    shell = at_prepare()
    shell.type("python import time; time.sleep(600)")
    shell.wait("(gdb, busy)")
    shell.type("p 1 + 1")
    shell.keys("F11")
    shell.wait("2 commands queued")
    shell.keys("C-c")
    text = shell.wait("dropped without being run: p 1 + 1, step")
    quit_by(shell)

    assert "= 2\n" not in text
