"""Steps on the screen over a live machine, on a real terminal."""

from tests.tui.tmux import Start, quit_by


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
