"""The TUI on a real terminal, over a real machine."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.tui import tmux
from tests.tui.tmux import Shell

Start = Callable[..., Shell]
STAGES = ("entry", "prepare", "bootparams", "kernel", "e820")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell on a terminal of 100x32."""
    with tmux.shell(tmp_path) as started:
        yield started


@pytest.fixture
def at_prepare(tmp_path: Path) -> Iterator[Start]:
    """Run pvhdbg with the options given: its guest stopped at `prepare`, its symbols loaded."""
    with ExitStack() as stack:

        def start(*words: str, size: tuple[int, int] = (100, 32)) -> Shell:
            shell = stack.enter_context(tmux.shell(tmp_path, size))
            shell.start(*words)
            shell.wait("stopped at prepare")
            shell.wait("\n(gdb)\n")
            return shell

        yield start


def quit_by(shell: Shell, *keys: str) -> None:
    """Leave, and answer the question."""
    shell.keys(*keys, "C-q")
    shell.wait("Quit?")
    shell.keys("y")
    shell.wait(tmux.PROMPT)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_the_teaching_guest_is_walked_through_with_f6_alone(at_prepare: Start, size: tuple[int, int]) -> None:
    shell = at_prepare(size=size)
    text = shell.wait("0x336ec578")

    assert "pvh_start_info at" in text
    for stage in STAGES[2:]:
        shell.keys("F6")
        shell.wait(f"stopped at {stage}")
    shell.keys("M-3")
    shell.wait("e820_table at")
    shell.keys("F6")
    shell.wait("this was the last stage")
    quit_by(shell)

    assert "0" == shell.status()
    assert [] == shell.leftovers()


def test_debians_kernel_is_walked_through_and_its_symbols_come_after_the_first_picture(
    tmp_path: Path, vmlinux_61: Path
) -> None:
    with tmux.shell(tmp_path) as shell:
        shell.start(str(vmlinux_61))
        shell.wait("0x336ec578")
        shell.type("p/x pvh_start_info.magic")
        shell.type("p pvh_start_info.version + 41")
        text = shell.wait("$2 = 42")

        assert "(gdb) p/x pvh_start_info.magic\n$1 = 0x336ec578\n(gdb) p pvh_start_info.version + 41\n" in text

        for stage in STAGES[2:]:
            shell.keys("F6")
            shell.wait(f"stopped at {stage}")
        shell.keys("M-4")
        shell.wait("the kernel's copy")
        shell.keys("M-9")
        shell.keys("F5")
        # No single line of it is sure to be seen: a fast guest has written the next hundred before anybody looks.
        shell.until(lambda text: re.search(r"│ \[ +[0-9]+\.[0-9]{6}\] ", text) is not None)
        shell.until(lambda text: re.search(r"running [1-9][0-9]* s", text) is not None)
        shell.keys("C-c")
        shell.wait("■ stopped")
        quit_by(shell)


def test_a_command_that_changes_a_field_is_followed_by_the_view_with_a_star(at_prepare: Start) -> None:
    shell = at_prepare()
    shell.type("set var pvh_start_info.flags=7")
    shell.wait("*+0x08 flags           0x7")
    shell.keys("BTab", "BTab", "Down", "Down")
    shell.wait("* was 0x0")
    shell.type(":pvh_start_info", "Enter")
    shell.wait("00]07 00 00 00")
    shell.keys("Escape")
    shell.wait("Ctrl-R history")
    shell.type("set var pvh_start_info.flags=9")
    shell.wait("00]09 00 00 00")
    quit_by(shell)


def test_steps_go_by_source_lines_and_breakpoints_are_set_and_marked(at_prepare: Start) -> None:
    shell = at_prepare(size=(120, 40))
    shell.keys("M-6")
    shell.wait("pvh.c")
    shell.keys("F10")
    shell.wait_gone("stopped at prepare")
    shell.keys("BTab", "BTab")
    shell.type("/init_pvh_bootparams(xen_guest)", "Enter", "F9")
    line = _marked(shell.until(lambda text: _marked(text) is not None))
    shell.keys("F5")
    shell.wait("■ stopped at breakpoint")
    # The code comes after the stop that it belongs to.
    text = shell.until(lambda text: f"▶{line}" in text.replace(" ", ""))

    assert line is not None
    assert line == next(each for each in text.splitlines() if "▶" in each).split("▶")[1].split()[0]

    shell.keys("F9")
    shell.until(lambda text: _marked(text) is None)
    shell.keys("S-F11")
    shell.wait("stopped at bootparams")
    shell.keys("F11")
    shell.wait_gone("stopped at bootparams")
    quit_by(shell)


def test_f9_says_what_it_did_and_takes_the_marked_bytes(at_prepare: Start) -> None:
    shell = at_prepare(size=(120, 40))
    shell.keys("F9")
    shell.until(lambda text: re.search(r"hardware breakpoint \d+ at 0xffffffff81\w+ xen_prepare_pvh", text) is not None)
    shell.keys("M-7", "Tab", "F9")
    shell.wait("no virtual address is marked here")
    shell.type(":start_kernel")
    shell.wait("virtual   start_kernel")
    shell.keys("F9")
    shell.until(lambda text: re.search(r"hardware breakpoint \d+ at 0xffffffff81\w+ start_kernel", text) is not None)
    shell.keys("F9")
    shell.until(lambda text: re.search(r"deleted breakpoint \d+ at 0xffffffff81\w+ start_kernel", text) is not None)
    quit_by(shell)


def test_a_linux_without_symbols_says_what_gives_it_its_other_stages(tmp_path: Path, vmlinuz_lz4: Path) -> None:
    with tmux.shell(tmp_path) as shell:
        shell.start(str(vmlinuz_lz4))
        shell.wait("this Linux kernel has no symbols: pass")
        shell.wait("stopped at entry")
        shell.keys("F6")
        shell.wait("this was the last stage: this Linux kernel has no symbols")
        quit_by(shell)


def _marked(text: str) -> str | None:
    """The number of the line of code that has a breakpoint."""
    lines = [each for each in text.splitlines()[3:] if each.startswith("│") and "●" in each[:6]]
    return lines[0].replace("▶", " ").split("●")[1].split()[0] if lines else None


def test_commands_of_many_lines_go_on_to_their_end_and_ctrl_c_gives_them_up(at_prepare: Start) -> None:
    shell = at_prepare()
    shell.type("python")
    shell.until(lambda text: text.splitlines()[-2].strip() == ">", "no prompt for more lines")
    shell.type("for number in (6, 7):")
    shell.type("  print('number', number)")
    shell.type("end")
    shell.wait("number 6\nnumber 7")
    shell.type("define greet")
    shell.type("echo hello\\n")
    shell.type("end")
    shell.type("greet")
    shell.wait("(gdb) greet\nhello")
    for answer in (42, 43):
        shell.type("python")
        if answer == 43:  # at the first time Ctrl-C may come before gdb asks
            shell.until(lambda text: text.splitlines()[-2].strip() == ">")
        shell.keys("C-c")
        shell.type(f"p {answer} + 0")
        shell.wait(f"= {answer}")
    quit_by(shell)


@pytest.mark.parametrize(
    "line",
    [
        None,
        "continue",
        "signal 0",
        "stepi 1000000000",
        'python gdb.execute("continue")',
        "python\ngdb.execute('continue')\nend",
    ],
)
def test_ctrl_c_stops_the_guest_whatever_started_it(at_prepare: Start, line: str | None) -> None:
    shell = at_prepare()
    if line is None:
        shell.keys("F5")
    else:
        shell.type(line.replace("\n", "\r"))
    shell.wait("running")
    shell.keys("M-9")
    shell.wait("halting" if "stepi" not in str(line) else "serial console")
    shell.type("not lost", "C-c")
    shell.wait("■ stopped")
    shell.until(lambda text: "(gdb) not lost" in text)
    shell.keys("C-c")
    shell.wait_gone("not lost")
    shell.type("p 40 + 2")
    shell.wait("= 42")
    quit_by(shell)


def test_ctrl_c_ends_a_command_that_keeps_gdb_busy(at_prepare: Start) -> None:
    shell = at_prepare()
    shell.type("python import time; time.sleep(600)")
    shell.wait("(gdb, busy)")
    shell.type("p 1 + 1")
    shell.wait("1 queued")
    shell.keys("C-c")
    shell.wait_gone("(gdb, busy)")
    shell.type("p 40 + 2")
    shell.wait("= 42")

    assert "= 2\n" not in shell.text
    quit_by(shell)


def test_gdb_completes_what_is_typed(at_prepare: Start) -> None:
    shell = at_prepare()
    shell.type("p pvh_st", "Tab")
    shell.wait("pvh_start_xen")
    shell.wait("(gdb) p pvh_start_\n")
    shell.type("inf", "Tab")
    shell.wait("(gdb) p pvh_start_info\n")
    shell.type(".memmap_p", "Tab")
    shell.wait("(gdb) p pvh_start_info.memmap_paddr\n")
    shell.keys("Enter")
    shell.wait("$1 = ")
    shell.keys("Tab")
    shell.wait("Enter follow")
    quit_by(shell)


@pytest.mark.parametrize("line", ["shell ls", "!ls", "pi", "edit"])
def test_what_would_take_the_prompt_for_ever_is_refused(at_prepare: Start, line: str) -> None:
    shell = at_prepare()
    shell.type(line)
    shell.wait("would block the gdb prompt")
    quit_by(shell)


def test_the_code_of_a_stage_that_was_passed_is_there_to_look_back_at(at_prepare: Start) -> None:
    shell = at_prepare()
    shell.keys("M-6", "Tab", "Left")
    text = shell.wait("captured at entry, the past")

    assert re.search(r"▸ ▶0x1000000 +cld", text)
    assert "as QEMU's monitor reads them in protected32" in text
    shell.keys("F9")
    shell.wait("this is the past")
    shell.keys("Right")
    shell.wait("guest/pvh.c")


def test_zeros_of_a_hole_are_told_from_data(at_prepare: Start) -> None:
    shell = at_prepare(size=(80, 24))
    shell.keys("Tab")
    shell.type(":0x20000000")

    assert "map: beyond all RAM; machine: nothing, reads as 0" in shell.wait("-- -- -- no memory")


def test_a_death_is_told_and_only_a_fresh_guest_goes_on(at_prepare: Start) -> None:
    shell = at_prepare(size=(120, 40))
    shell.type("set var pvh_start_info.magic=0")
    shell.wait("wrong: should be 0x336ec578")
    shell.keys("F6")
    shell.wait("✖ died: triple-fault")
    # A terminal that is asked while it is drawn on has the first lines before the others.
    text = shell.wait("the guest died: triple fault")

    assert "5✖findings" in text
    assert "the guest died: triple fault" in text
    for key in ("F5", "F6", "F11"):
        shell.keys(key)
        shell.wait("└ gdb  the guest is dead")
        shell.keys("Down")
        shell.wait("└ gdb ──")
    shell.type("stepi")
    shell.wait("pvhdbg: the guest is dead (triple-fault)")
    shell.keys("F4")
    shell.wait("stopped at prepare")
    shell.wait("0x336ec578")


def test_a_qemu_that_is_killed_while_its_guest_stands_still_is_noticed_at_once(at_prepare: Start) -> None:
    shell = at_prepare()
    os.kill(shell.qemu(), signal.SIGKILL)
    shell.wait("✖ died: QEMU was killed by SIGKILL")
    shell.wait("pvhdbg: the guest died: QEMU was killed by SIGKILL\n")
    shell.keys("F4")
    shell.wait("stopped at prepare")
    shell.wait("0x336ec578")


def test_a_gdb_that_is_killed_while_nobody_asks_it_is_noticed_at_once(at_prepare: Start) -> None:
    shell = at_prepare()
    os.kill(shell.gdb(), signal.SIGKILL)
    shell.wait("ended gdb was killed by SIGKILL")
    shell.keys("F4")
    text = shell.wait("there is no gdb any more (hint: Ctrl-Q, and start pvhdbg again)")

    assert 1 == text.count("pvhdbg: gdb was killed by SIGKILL\n")


def test_a_guest_is_started_again_after_kill_by_run_and_while_it_runs(at_prepare: Start) -> None:
    shell = at_prepare(size=(120, 40))
    shell.type("kill")
    shell.wait("✖ died: QEMU was killed by SIGKILL")
    shell.type("run")
    shell.wait("stopped at prepare")
    shell.keys("F5")
    shell.wait("running")
    shell.keys("F4")
    shell.wait("stopped at prepare")
    shell.type("quit")
    shell.wait(tmux.PROMPT)

    assert "0" == shell.status()
    assert [] == shell.leftovers()
