"""pvh.py in the gdb that pvhdbg starts: `pvh …` at the prompt of pvhdbg's TUI, and over MI."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pvhdbg import commands, guest
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.debuggee import Debuggee
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.gdb import console
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.target.mi.client import MiError
from tests.cli.shell import wait_for
from tests.tui import tmux

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.tui.tmux import Shell


RUN_UNTIL_INTERRUPTED = (
    "from pvhdbg.in_gdb.install import CURRENT; print(CURRENT.session.runner.run_to([16], 60).kind, 'the end')"
)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Show the teaching guest at `prepare` in pvhdbg's TUI, with pvh.py loaded into its gdb."""
    with tmux.shell(tmp_path, (120, 40)) as shell:
        shell.start()
        shell.wait("stopped at prepare")
        shell.type("help pvh stages")
        shell.wait("Usage: pvh stages")
        yield shell
        shell.keys("C-q")
        shell.wait("Quit?")
        shell.keys("y")
        shell.wait(tmux.PROMPT)


def test_the_prompt_answers_from_all_captures(shell: Shell) -> None:
    shell.type("pvh stages")
    shell.wait("entry       captured")
    shell.type("code @entry")
    shell.wait("raw bytes at physical address")
    shell.type("pvh start-info ($rbx * 2) / 2")
    shell.wait("    +0x34  reserved        0x0")


def test_the_screen_follows_commands_that_run_the_machine(shell: Shell) -> None:
    shell.type("pvh next-stage")
    shell.wait("stopped at bootparams")
    shell.type("pvh run-to e820")
    shell.wait("stopped at e820")
    shell.keys("F4")
    shell.wait("stopped at prepare")
    shell.keys("F6")
    shell.wait("stopped at bootparams")
    shell.type("pvh stages")
    shell.wait("*  bootparams  captured")


def test_the_prompt_still_works_after_an_error(shell: Shell) -> None:
    shell.type("pvh nonsense")
    shell.wait('no such command: "nonsense"')
    shell.type("pvh run-to entry")
    shell.wait("stage entry has been passed")
    shell.type("pvh info")
    shell.wait("e820_table      -          not valid before stage e820")


def test_functions_printers_and_completion_work(shell: Shell) -> None:
    shell.type("p $pvh_start_info()")
    shell.wait("= {magic = 0x336ec578 (correct), version = 1")
    shell.type("pvh next-st", "Tab")
    shell.wait("(gdb) pvh next-stage")
    shell.keys("Enter")
    shell.wait("stopped at bootparams")


def test_a_recording_stays_open_after_a_restart(shell: Shell, tmp_path: Path) -> None:
    shell.type(f"pvh dump {tmp_path / 'boot.json'}")
    shell.wait("wrote 2 stages to")
    shell.type(f"pvh open {tmp_path / 'boot.json'}")
    shell.wait("not in this recording")
    shell.keys("F4")
    shell.wait("stopped at prepare")
    shell.type("pvh next-stage")
    shell.wait("not available in a recording")
    shell.type("pvh open")
    shell.wait("closed the recording")


@pytest.fixture
def debuggee() -> Iterator[Debuggee]:
    """Start the teaching guest, with its symbols and pvh.py loaded into gdb."""
    options = QemuOptions(str(guest.ELF))
    with OwnMachine() as machine:
        machine.boot(options)
        machine.wait_ready()
        debuggee = Debuggee(machine, open_kernel(str(guest.ELF), machine.folder), options, 30)
        debuggee.load_symbols()
        debuggee.load_script()
        yield debuggee


def output_of(debuggee: Debuggee, line: str, words: str) -> str:
    """Run a line, wait until gdb prints `words`, and return what it printed. MI answers as soon as the guest runs."""
    printed: list[str] = []
    debuggee.machine.gdb.on_text = printed.append
    console.run(debuggee.machine.gdb, line, lambda: None)
    wait_for(lambda: words in "".join(printed) or None, 60)
    return "".join(printed)


def test_commands_and_pvh_capture_work_over_mi(debuggee: Debuggee) -> None:
    output_of(debuggee, "pvh run-to prepare", "prepare: the first instruction")
    output_of(debuggee, "python gdb.execute('pvh next-stage')", "bootparams: the return")

    assert "bootparams" == debuggee.machine.gdb.ask("-pvh-capture").results.text("stage")
    assert "entry" == debuggee.machine.gdb.ask("-pvh-capture entry").results.text("stage")
    with pytest.raises(MiError, match='unknown stage: "nowhere"'):
        debuggee.machine.gdb.ask("-pvh-capture nowhere")
    with pytest.raises(MiError, match=r"^no such command"):
        output_of(debuggee, "pvh nonsense", "")


def test_a_run_inside_gdb_can_be_interrupted_from_another_thread(debuggee: Debuggee) -> None:
    def interrupt() -> None:
        qemu = debuggee.machine.qemu
        assert qemu is not None
        wait_for(lambda: qemu.status() == "running", 60)
        debuggee.machine.runner.interrupt()

    with ThreadPoolExecutor(1) as pool:
        outside = pool.submit(interrupt)
        output = output_of(debuggee, f"python {RUN_UNTIL_INTERRUPTED}", "the end")
        outside.result()

    assert "interrupted the end" in output


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("pvh", "help"),
        (" pvh  info @entry ", "info @entry"),
        ("pvh-info", None),
        ("pvhinfo", None),
        ("help pvh", None),
        ("memmap @entry", "memmap @entry"),
        ("check", "check"),
        ("next-stage", "next-stage"),
        ("info", None),
        ("help", None),
        ("set var x=1", None),
        ("dump memory x 0 1", None),
        ("", None),
        ("p $pvh_phys(0)", None),
    ],
)
def test_a_line_is_a_pvhdbg_command_if_it_begins_with_pvh_or_with_a_name_that_gdb_lacks(
    line: str, command: str | None
) -> None:
    assert command == console.pvh_command(line, commands.COMMANDS)
