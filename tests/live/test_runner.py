import os
import signal
from pathlib import Path

import pytest

from pvhdbg.errors import NotConnected
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.gdb import console
from pvhdbg.target.base import (
    ELSEWHERE,
    HIT,
    Halt,
)
from pvhdbg.target.mi.client import MiError
from tests import tiny
from tests.cli.shell import PATIENCE
from tests.live.conftest import Boot
from tests.live.runs import ENTRY, NOWHERE, die, prepare, while_it_runs


@pytest.fixture
def looping(boot: Boot, tmp_path: Path) -> OwnMachine:
    """Return a guest at the reset vector that will not halt."""
    path = tmp_path / "looping"
    path.write_bytes(tiny.waiting())
    return boot(path)


def ask(machine: OwnMachine, line: str) -> str:
    return console.run(machine.gdb, line, lambda: None)


def test_no_breakpoint_is_left_after_a_run(teaching: OwnMachine) -> None:
    teaching.runner.run_to([ENTRY], 30)
    teaching.runner.run_to([NOWHERE], 0.2)

    assert ask(teaching, "info breakpoints").startswith("No breakpoints")


def test_ctrl_c_stops_the_guest_and_raises_keyboardinterrupt(looping: OwnMachine) -> None:
    with while_it_runs(looping, lambda: os.kill(os.getpid(), signal.SIGINT)), pytest.raises(KeyboardInterrupt):
        looping.runner.run_to([NOWHERE], PATIENCE)

    assert not looping.gdb.running
    assert ask(looping, "info breakpoints").startswith("No breakpoints")


def test_a_breakpoint_set_by_the_user_is_named_if_it_is_hit_first(teaching: OwnMachine) -> None:
    ask(teaching, f"hbreak *{ENTRY:#x}")
    halt = teaching.runner.run_to(prepare(teaching), 30)

    assert Halt(ELSEWHERE, ENTRY, message="breakpoint 1") == halt


def test_if_gdb_refuses_one_of_several_breakpoints_all_are_deleted(teaching: OwnMachine) -> None:
    ask(teaching, "set remote hardware-breakpoint-limit 1")
    with pytest.raises(MiError, match="exceeds limit"):
        teaching.runner.run_to([ENTRY, NOWHERE], 30)

    assert ask(teaching, "info breakpoints").startswith("No breakpoints")
    assert HIT == teaching.runner.run_to([ENTRY], 30).kind


@pytest.mark.parametrize("resume", ["continue", "continue&", "python gdb.execute('continue')"])
def test_a_dead_guest_that_was_resumed_gets_its_registers_back(boot: Boot, vmlinux_61: Path, resume: str) -> None:
    machine = boot(vmlinux_61)
    halt = die(machine, vmlinux_61)
    ask(machine, resume)
    machine.revive()

    assert halt.rip == machine.target.register("rip")
    assert halt == machine.runner.run_to([NOWHERE], 5)


def test_a_killed_gdb_is_a_one_line_error(teaching: OwnMachine) -> None:
    os.kill(teaching.gdb.process.pid, signal.SIGKILL)

    with pytest.raises(NotConnected, match=r"^gdb was killed by SIGKILL$"):
        teaching.runner.run_to([ENTRY], 30)
    with pytest.raises(NotConnected, match=r"^gdb was killed by SIGKILL$"):
        teaching.target.read_phys(0, 16)


def test_a_gdb_killed_while_the_guest_runs_ends_the_run(looping: OwnMachine) -> None:
    with (
        while_it_runs(looping, looping.gdb.process.kill),
        pytest.raises(NotConnected, match=r"^gdb was killed by SIGKILL$"),
    ):
        looping.runner.run_to([NOWHERE], PATIENCE)


def test_a_second_boot_uses_the_same_gdb(teaching: OwnMachine) -> None:
    assert teaching.qemu is not None
    teaching.runner.run_to([ENTRY], 30)
    ask(teaching, "set $kept = 42")
    ask(teaching, "continue")
    teaching.boot(teaching.qemu.options, teaching.target.symbols)
    teaching.wait_ready()

    assert 0xFFF0 == teaching.target.register("rip")
    assert "$1 = 42\n" == ask(teaching, "p $kept")
    assert Halt(HIT, ENTRY) == teaching.runner.run_to([ENTRY], 30)
