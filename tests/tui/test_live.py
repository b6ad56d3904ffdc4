"""The TUI over a live machine, on a real terminal."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui import tmux
from tests.tui.tmux import Shell, Start, quit_by

STAGES = ("entry", "prepare", "bootparams", "kernel", "e820")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell on a terminal of 100x32."""
    with tmux.shell(tmp_path) as started:
        yield started


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_f6_alone_goes_through_all_stages_of_the_teaching_guest(at_prepare: Start, size: tuple[int, int]) -> None:
    shell = at_prepare(size=size)
    text = shell.wait("0x336ec578")

    assert "pvh_start_info at" in text
    for stage in STAGES[2:]:
        shell.keys("F6")
        shell.wait(f"stopped at {stage}")
    shell.keys("M-3")
    shell.wait("e820_table at")
    shell.keys("F6")
    shell.wait("no stages left after e820")
    quit_by(shell)

    assert "0" == shell.status()
    assert [] == shell.leftovers()


def test_f8_goes_back_stage_by_stage_and_f6_forward_again(at_prepare: Start) -> None:
    shell = at_prepare()
    for stage in STAGES[2:]:
        shell.keys("F6")
        shell.wait(f"stopped at {stage}")
    for stage in ("kernel", "bootparams", "prepare", "entry"):
        shell.keys("F8")
        shell.wait(f"stopped at {stage}")
    text = shell.wait("back at stage entry: what changed since then is undone")
    shell.keys("F8")
    shell.wait("can't go back: no stage was captured before here")
    shell.type("pvh stages")
    shell.wait("kernel      from before going back")
    for stage in STAGES[1:]:
        shell.keys("F6")
        shell.wait(f"stopped at {stage}")
    shell.type("back prepare")
    shell.wait("stopped at prepare")
    quit_by(shell)

    assert "bootparams ◇" in text
    assert "0" == shell.status()
    assert [] == shell.leftovers()


def test_f7_and_reverse_stepi_go_back_by_one_instruction(at_prepare: Start) -> None:
    shell = at_prepare()
    shell.type("stepi 2")
    shell.wait("xen_prepare_pvh+0x4")
    shell.type("reverse-stepi")
    shell.wait("xen_prepare_pvh+0x1")
    shell.wait("back by one instruction")
    shell.keys("F7")
    text = shell.wait("stopped at prepare")
    shell.type("reverse-continue")
    shell.wait("no hit: back at the first snapshot")
    shell.wait("stopped at entry")
    shell.keys("F7")
    shell.wait("this is the first instruction of the guest")
    quit_by(shell)

    assert "prepare ◉" in text
    assert [] == shell.leftovers()


def test_debians_kernel_reaches_all_stages_and_its_symbols_load_after_the_first_screen(
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
        shell.keys("M-0")
        in_view = shell.wait("BIOS-provided physical RAM map:")
        shell.type("pvh dmesg")
        last = [line.strip("│ ") for line in in_view.split("\n") if "BIOS-e820" in line][-1]
        shell.wait(f"\n{last}\n(gdb)")
        shell.keys("M-9")
        shell.keys("F5")
        # Any kernel message will do: a fast guest scrolls a given line away before the screen is read.
        shell.until(lambda text: re.search(r"│ \[ +[0-9]+\.[0-9]{6}\] ", text) is not None)
        shell.until(lambda text: re.search(r"running [1-9][0-9]* s", text) is not None)
        shell.keys("C-c")
        shell.wait("■ stopped")
        quit_by(shell)


def test_a_field_changed_by_a_command_gets_a_star_in_the_view(at_prepare: Start) -> None:
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


def test_steps_go_by_source_lines_and_breakpoints_are_marked(at_prepare: Start) -> None:
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
    # The code is shown after the stop.
    text = shell.until(lambda text: f"▶{line}" in text.replace(" ", ""))

    assert line is not None
    assert line == next(row for row in text.splitlines() if "▶" in row).split("▶")[1].split()[0]

    shell.keys("F9")
    shell.until(lambda text: _marked(text) is None)
    shell.keys("S-F11")
    shell.wait("stopped at bootparams")
    shell.keys("F11")
    shell.wait_gone("stopped at bootparams")
    quit_by(shell)


def test_f9_sets_a_breakpoint_at_the_selected_code_or_bytes_and_reports_it(at_prepare: Start) -> None:
    shell = at_prepare(size=(120, 40))
    shell.keys("F9")
    shell.until(lambda text: re.search(r"hardware breakpoint \d+ at 0xffffffff81\w+ xen_prepare_pvh", text) is not None)
    shell.keys("M-7", "Tab", "F9")
    shell.wait("no virtual address selected")
    shell.type(":start_kernel")
    shell.wait("virtual   start_kernel")
    shell.keys("F9")
    shell.until(lambda text: re.search(r"hardware breakpoint \d+ at 0xffffffff81\w+ start_kernel", text) is not None)
    shell.keys("F9")
    shell.until(lambda text: re.search(r"deleted breakpoint \d+ at 0xffffffff81\w+ start_kernel", text) is not None)
    quit_by(shell)


def test_for_a_linux_without_symbols_a_remark_names_the_option_that_adds_stages(
    tmp_path: Path, vmlinuz_lz4: Path
) -> None:
    with tmux.shell(tmp_path) as shell:
        shell.start(str(vmlinuz_lz4))
        shell.wait("this Linux kernel has no symbols: pass")
        shell.wait("stopped at entry")
        shell.keys("F6")
        shell.wait("no stages left after entry: this Linux kernel has no symbols")
        quit_by(shell)


def _marked(text: str) -> str | None:
    """Return the number of the first source line with a breakpoint."""
    lines = [line for line in text.splitlines()[3:] if line.startswith("│") and "●" in line[:6]]
    return lines[0].replace("▶", " ").split("●")[1].split()[0] if lines else None


def test_multi_line_commands_read_to_their_end_and_ctrl_c_cancels_them(at_prepare: Start) -> None:
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
        if answer == 43:  # the first time, Ctrl-C may come before gdb asks
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
def test_ctrl_c_stops_the_guest_no_matter_which_command_resumed_it(at_prepare: Start, line: str | None) -> None:
    shell = at_prepare()
    shell.type(tmux.LOOP)
    if line is None:
        shell.keys("F5")
    else:
        shell.type(line.replace("\n", "\r"))
    shell.wait("running")
    shell.keys("M-9")
    shell.wait("serial console")
    shell.type("not lost", "C-c")
    shell.wait("■ stopped")
    shell.until(lambda text: "(gdb) not lost" in text)
    shell.keys("C-c")
    shell.wait_gone("not lost")
    shell.type("p 40 + 2")
    shell.wait("= 42")
    quit_by(shell)


def test_ctrl_c_ends_a_long_gdb_command_and_drops_queued_commands(at_prepare: Start) -> None:
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


def test_tab_offers_gdbs_completions(at_prepare: Start) -> None:
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
def test_a_command_that_would_block_the_prompt_forever_is_refused(at_prepare: Start, line: str) -> None:
    shell = at_prepare()
    shell.type(line)
    shell.wait("would block the gdb prompt")
    quit_by(shell)


def test_the_code_of_a_passed_stage_can_be_shown_later(at_prepare: Start) -> None:
    shell = at_prepare()
    shell.keys("M-6", "Tab", "Left")
    text = shell.wait("past: captured at entry")

    assert re.search(r"▸ ▶ +0x1000000 +cld", text)
    assert "entry.S:30, with its 32-bit instructions" in text
    shell.keys("F9")
    shell.wait("no breakpoints in a past stage")
    shell.keys("Right")
    shell.wait("pvh.c:167, with its 64-bit instructions")


def test_addresses_without_memory_are_not_shown_as_zeros(at_prepare: Start) -> None:
    shell = at_prepare(size=(80, 24))
    shell.keys("Tab")
    shell.type(":0x20000000")

    assert "map: beyond all RAM; machine: no memory, reads as 0" in shell.wait("-- -- -- no memory")


def test_a_death_is_reported_and_only_a_restart_continues(at_prepare: Start) -> None:
    shell = at_prepare(size=(120, 40))
    shell.type("set var pvh_start_info.magic=0")
    shell.wait("wrong: must be 0x336ec578")
    shell.keys("F6")
    shell.wait("✖ died: triple fault")
    # The top lines are drawn first: wait for the message too.
    text = shell.wait("the guest died: triple fault")

    assert "5✖findings" in text
    assert "the guest died: triple fault" in text
    for key in ("F5", "F6", "F11"):
        shell.keys(key)
        shell.wait("└ gdb  the guest is dead")
        shell.keys("Down")
        shell.wait("└ gdb ──")
    shell.type("stepi")
    shell.wait("pvhdbg: the guest is dead (hint: press F4 or type `run` to restart it)")
    shell.keys("F4")
    shell.wait("stopped at prepare")
    shell.wait("0x336ec578")


def test_the_death_of_qemu_is_reported_at_once_while_the_guest_is_stopped(at_prepare: Start) -> None:
    shell = at_prepare()
    os.kill(shell.qemu(), signal.SIGKILL)
    shell.wait("✖ died: QEMU was killed by SIGKILL")
    shell.wait("pvhdbg: the guest died: QEMU was killed by SIGKILL\n")
    shell.keys("F4")
    shell.wait("stopped at prepare")
    shell.wait("0x336ec578")


def test_the_death_of_gdb_is_reported_at_once_while_it_is_idle(at_prepare: Start) -> None:
    shell = at_prepare()
    shell.type("print 6 * 7")
    shell.wait("= 42")  # gdb has taken the machine over
    os.kill(shell.gdb(), signal.SIGKILL)
    shell.wait("ended: gdb was killed by SIGKILL")
    shell.keys("F4")
    text = shell.wait("gdb has exited (hint: press Ctrl-Q and restart pvhdbg)")

    assert 1 == text.count("pvhdbg: gdb was killed by SIGKILL\n")


def test_a_guest_can_be_restarted_after_kill_and_while_it_runs(at_prepare: Start) -> None:
    shell = at_prepare(size=(120, 40))
    shell.type("kill")
    shell.wait("✖ died: QEMU was killed by SIGKILL")
    shell.type("run")
    shell.wait("stopped at prepare")
    shell.type(tmux.LOOP)
    shell.keys("F5")
    shell.wait("running")
    shell.keys("F4")
    shell.wait("stopped at prepare")
    shell.type("quit")
    shell.wait(tmux.PROMPT)

    assert "0" == shell.status()
    assert [] == shell.leftovers()
