from contextlib import suppress
from pathlib import Path

import pytest

from pvhdbg.errors import MachineError
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.gdb import console
from pvhdbg.target.base import DIED, HIT, KVM_INTERNAL_ERROR, TIMEOUT, TRIPLE_FAULT, Halt
from pvhdbg.target.mi.client import MiError
from tests.live.conftest import Boot

NOWHERE = 0x10


@pytest.fixture
def machine(boot: Boot, vmlinux_61: Path, kvm: None) -> OwnMachine:
    """Return Debian's Linux 6.1 under KVM, with a CPU model that this computer's KVM supports."""
    assert kvm is None
    try:
        machine = boot(vmlinux_61, accel="kvm")
    except MachineError:
        machine = boot(vmlinux_61, accel="kvm", cpu="qemu64")
    machine.target.symbols = open_kernel(str(vmlinux_61), machine.folder).symbols
    return machine


@pytest.fixture
def entry(vmlinux_61: Path, tmp_path: Path) -> int:
    address = open_kernel(str(vmlinux_61), tmp_path).facts.entry
    assert address is not None
    return address


def test_stages_are_reached_with_hardware_breakpoints(machine: OwnMachine, entry: int) -> None:
    prepare = machine.target.symbol("xen_prepare_pvh")

    assert Halt(HIT, entry) == machine.runner.run_to([entry], 30)
    assert bytes.fromhex("78c56e33") == machine.target.read_phys(machine.target.register("rbx"), 4)
    assert Halt(HIT, prepare) == machine.runner.run_to([prepare, prepare - 0xFFFFFFFF80000000], 30)
    assert 0 == machine.target.register("tr.base")


def test_a_software_breakpoint_that_gdb_cannot_insert_is_disabled_and_named(machine: OwnMachine, entry: int) -> None:
    machine.gdb.ask(f"-break-insert *{machine.target.symbol('start_kernel'):#x}")

    assert Halt(HIT, entry) == machine.runner.run_to([entry], 30)
    assert ["breakpoint 1 is disabled"] == [remark.partition(":")[0] for remark in machine.runner.take_remarks()]
    assert 'enabled="n"' in machine.gdb.ask("-break-list").line


def test_a_fifth_breakpoint_is_an_error_and_the_machine_still_runs(machine: OwnMachine, entry: int) -> None:
    with pytest.raises(MiError, match="hardware breakpoint"):
        machine.runner.run_to([0x10, 0x20, 0x30, 0x40, 0x50], 30)

    assert Halt(HIT, entry) == machine.runner.run_to([entry], 30)


def test_a_fifth_breakpoint_set_by_the_user_does_not_block_the_prompt(machine: OwnMachine) -> None:
    for address in (0x10, 0x20, 0x30, 0x40, 0x50):
        console.run(machine.gdb, f"hbreak *{address:#x}", lambda: None)
    with suppress(MiError):  # gdb reports the error at once, or after it has reported that the guest runs
        console.run(machine.gdb, "continue", lambda: None)

    assert machine.gdb.wait_stop(10)
    assert 0xFFF0 == machine.target.register("rip")


def test_a_guest_that_does_not_reach_the_address_is_stopped_after_the_timeout(machine: OwnMachine) -> None:
    halt = machine.runner.run_to([NOWHERE], 1)

    assert (TIMEOUT, machine.target.register("rip")) == (halt.kind, halt.rip)


def test_an_invalid_instruction_is_a_death_and_the_guest_stays_dead(machine: OwnMachine, entry: int) -> None:
    machine.runner.run_to([entry], 30)
    machine.target.write_phys(entry, b"\xcc" * 8)
    halt = machine.runner.run_to([NOWHERE], 10)
    message = {KVM_INTERNAL_ERROR: "KVM internal error", TRIPLE_FAULT: "triple fault"}.get(halt.how or "")

    assert (DIED, entry) == (halt.kind, halt.rip)
    assert message == halt.message[: len(message or "?")]
    assert halt == machine.runner.run_to([NOWHERE], 10)
