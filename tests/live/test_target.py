import pytest

from pvhdbg import guest
from pvhdbg.errors import MemoryUnreadable, RegisterUnavailable
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.gdb import console
from pvhdbg.target.base import NO_MONITOR
from pvhdbg.target.mi.client import console_command, quote
from pvhdbg.target.mi.gdb_mi import MiTarget
from pvhdbg.target.stub import MONITOR
from tests.live.conftest import Boot

FIXED, STATUS = 0x2, 0x8D5
"""EFLAGS: the bit that is always 1; CF, PF, AF, ZF, SF and OF, which the firmware leaves undefined."""

ENTRY = 0x1000000


@pytest.fixture
def at_entry(teaching: OwnMachine) -> OwnMachine:
    teaching.runner.run_to([ENTRY], 30)
    return teaching


def test_the_monitor_reads_the_same_memory_as_phymemmode(at_entry: OwnMachine) -> None:
    beside = MiTarget(at_entry.gdb, physical_memory=MONITOR)

    assert at_entry.target.read_phys(ENTRY, 0x901) == beside.read_phys(ENTRY, 0x901)


def test_a_stub_without_physical_reads_reads_virtual_memory(at_entry: OwnMachine) -> None:
    beside = MiTarget(at_entry.gdb, physical_memory=None, has_monitor=False)

    assert at_entry.target.read_phys(ENTRY, 0x100) == beside.read_phys(ENTRY, 0x100)
    with pytest.raises(RegisterUnavailable, match=NO_MONITOR):
        beside.register("cs.base")


def test_the_stub_is_back_in_virtual_mode_after_every_read(at_entry: OwnMachine) -> None:
    at_entry.target.read_phys(0, 16)
    with pytest.raises(MemoryUnreadable), at_entry.target.physical_reads():
        at_entry.target.read_phys((1 << 64) - 8, 16)

    assert 'received: "0"' in at_entry.gdb.ask(console_command("maint packet qqemu.PhyMemMode")).text


def test_a_register_is_read_again_after_it_was_set_at_the_prompt(at_entry: OwnMachine) -> None:
    before = at_entry.target.register("rdi")
    console.run(at_entry.gdb, "set $rdi = 0x1234", lambda: None)

    assert 0x1234 == at_entry.target.register("rdi") != before


@pytest.fixture
def at_prepare(boot: Boot) -> tuple[OwnMachine, int]:
    """Return a machine with two CPUs, stopped in a function whose caller gdb knows, and that function's address."""
    machine = boot(args=("-smp", "2"))
    prepare = open_kernel(str(guest.ELF), machine.folder).symbols.address("xen_prepare_pvh")
    machine.gdb.ask(f"-file-symbol-file {quote(str(guest.ELF))}")
    machine.runner.run_to([prepare], 30)
    return machine, prepare


def test_registers_are_the_boot_cpus_no_matter_which_thread_and_frame_are_selected(
    at_prepare: tuple[OwnMachine, int],
) -> None:
    machine, prepare = at_prepare
    rips = {}
    for line in ("up", "thread 2"):
        console.run(machine.gdb, line, lambda: None)
        rips[line] = machine.target.register("rip")

    assert {"up": prepare, "thread 2": prepare} == rips
    assert "$1 = 2\n" == console.run(machine.gdb, "print $_thread", lambda: None)


def test_the_frame_that_the_user_selected_stays_selected(at_prepare: tuple[OwnMachine, int]) -> None:
    machine, _ = at_prepare
    console.run(machine.gdb, "up", lambda: None)
    machine.target.register("rip")

    assert console.run(machine.gdb, "frame", lambda: None).startswith("#1 ")
