import os
import signal
import threading
from pathlib import Path

import pytest

from pvhdbg.errors import NotConnected
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.gdb import console
from pvhdbg.target.base import (
    DIED,
    ELSEWHERE,
    HIT,
    INTERRUPTED,
    QEMU_EXIT,
    QEMU_SIGNAL,
    TIMEOUT,
    TRIPLE_FAULT,
    Halt,
)
from pvhdbg.target.mi import MiError
from tests.live.conftest import Boot

ENTRY = 0x1000000
NOWHERE = 0x10


def ask(machine: OwnMachine, line: str) -> str:
    return console.run(machine.gdb, line, lambda: None)


def prepare(machine: OwnMachine) -> tuple[int, int]:
    address = machine.target.symbol("xen_prepare_pvh")
    return address, address - 0xFFFFFFFF80000000


def test_a_debian_kernel_stops_at_its_entry_and_at_an_alias_of_xen_prepare_pvh(
    boot: Boot, debian_vmlinux: Path
) -> None:
    machine = boot(debian_vmlinux)
    kernel = open_kernel(str(debian_vmlinux), machine.folder)
    machine.target.symbols = kernel.symbols
    assert kernel.facts.entry is not None

    assert Halt(HIT, kernel.facts.entry) == machine.runner.run_to([kernel.facts.entry], 30)
    start_info = machine.target.register("rbx")
    assert bytes.fromhex("78c56e33") == machine.target.read_phys(start_info, 4)
    halt = machine.runner.run_to(prepare(machine), 30)
    assert (HIT, True) == (halt.kind, halt.rip in prepare(machine))


def test_no_breakpoint_is_left_after_a_run(teaching: OwnMachine) -> None:
    teaching.runner.run_to([ENTRY], 30)
    teaching.runner.run_to([NOWHERE], 0.2)

    assert ask(teaching, "info breakpoints").startswith("No breakpoints")


def test_a_guest_that_does_not_reach_the_address_is_stopped_after_the_timeout(teaching: OwnMachine) -> None:
    halt = teaching.runner.run_to([NOWHERE], 0.5)

    assert TIMEOUT == halt.kind
    assert halt.rip == teaching.target.register("rip")
    assert b"halting" in teaching.qemu.serial.text() if teaching.qemu else False


def test_an_interrupt_from_another_thread_ends_the_run(teaching: OwnMachine) -> None:
    timer = threading.Timer(0.3, teaching.runner.interrupt)
    timer.start()
    halt = teaching.runner.run_to([NOWHERE], 30)
    timer.join()

    assert (INTERRUPTED, teaching.target.register("rip")) == (halt.kind, halt.rip)


def test_ctrl_c_stops_the_guest_and_raises_keyboardinterrupt(teaching: OwnMachine) -> None:
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        teaching.runner.run_to([NOWHERE], 30)
    timer.join()

    assert not teaching.gdb.running
    assert ask(teaching, "info breakpoints").startswith("No breakpoints")


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


def die(machine: OwnMachine, vmlinux: Path) -> Halt:
    """Make Linux die: with a wrong magic in start_info, it executes BUG()."""
    entry = open_kernel(str(vmlinux), machine.folder).facts.entry
    assert entry is not None
    machine.runner.run_to([entry], 30)
    machine.target.write_phys(machine.target.register("rbx"), bytes(4))
    return machine.runner.run_to([NOWHERE], 30)


def test_a_triple_fault_is_a_death_and_the_guest_stays_dead(boot: Boot, vmlinux_61: Path) -> None:
    machine = boot(vmlinux_61)
    halt = die(machine, vmlinux_61)
    assert halt.rip is not None

    assert (DIED, TRIPLE_FAULT) == (halt.kind, halt.how)
    assert bytes.fromhex("0f0b") == machine.target.read_phys(halt.rip - 0xFFFFFFFF80000000, 2)
    assert halt == machine.runner.run_to([NOWHERE], 30)


@pytest.mark.parametrize("resume", ["continue", "continue&", "python gdb.execute('continue')"])
def test_a_dead_guest_that_was_resumed_gets_its_registers_back(boot: Boot, vmlinux_61: Path, resume: str) -> None:
    machine = boot(vmlinux_61)
    halt = die(machine, vmlinux_61)
    ask(machine, resume)
    machine.revive()

    assert halt.rip == machine.target.register("rip")
    assert halt == machine.runner.run_to([NOWHERE], 5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGFPE])
def test_a_qemu_killed_while_the_guest_runs_is_a_death(teaching: OwnMachine, number: signal.Signals) -> None:
    assert teaching.qemu is not None
    timer = threading.Timer(0.3, os.kill, (teaching.qemu.pid, number))
    timer.start()
    halt = teaching.runner.run_to([NOWHERE], 30)
    timer.join()

    assert Halt(DIED, None, QEMU_SIGNAL, f"QEMU was killed by {number.name}") == halt


def test_a_qemu_killed_while_the_guest_is_stopped_is_a_death(teaching: OwnMachine) -> None:
    assert teaching.qemu is not None
    os.kill(teaching.qemu.pid, signal.SIGKILL)
    assert teaching.qemu.death(5) is not None

    with pytest.raises(NotConnected, match=r"^the machine is gone$"):
        teaching.target.read_phys(0, 16)
    assert Halt(DIED, None, QEMU_SIGNAL, "QEMU was killed by SIGKILL") == teaching.runner.run_to([ENTRY], 30)


def test_a_qemu_that_exits_after_sigterm_is_a_death(teaching: OwnMachine) -> None:
    assert teaching.qemu is not None
    os.kill(teaching.qemu.pid, signal.SIGTERM)
    halt = teaching.runner.run_to([NOWHERE], 30)

    assert (DIED, QEMU_EXIT) == (halt.kind, halt.how)
    assert halt.message.startswith("QEMU exited with status 0: terminating on signal 15")


def test_a_killed_gdb_is_a_one_line_error(teaching: OwnMachine) -> None:
    os.kill(teaching.gdb.process.pid, signal.SIGKILL)

    with pytest.raises(NotConnected, match=r"^gdb was killed by SIGKILL$"):
        teaching.runner.run_to([ENTRY], 30)
    with pytest.raises(NotConnected, match=r"^gdb was killed by SIGKILL$"):
        teaching.target.read_phys(0, 16)


def test_a_gdb_killed_while_the_guest_runs_ends_the_run(teaching: OwnMachine) -> None:
    timer = threading.Timer(0.3, os.kill, (teaching.gdb.process.pid, signal.SIGKILL))
    timer.start()
    with pytest.raises(NotConnected, match=r"^gdb was killed by SIGKILL$"):
        teaching.runner.run_to([NOWHERE], 30)
    timer.join()


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
