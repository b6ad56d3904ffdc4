from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.errors import MemoryUnreadable, RegisterUnavailable, SymbolMissing
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.gdb import console
from pvhdbg.target.base import NO_MONITOR
from pvhdbg.target.gdb_mi import MiTarget
from pvhdbg.target.mi import console_command, quote
from pvhdbg.target.mi_memory import MONITOR
from tests.live.conftest import Boot

FIXED, STATUS = 0x2, 0x8D5
"""EFLAGS: the bit that is always 1; CF, PF, AF, ZF, SF and OF, which the firmware leaves undefined."""

ENTRY = 0x1000000


@pytest.fixture
def at_entry(teaching: OwnMachine) -> OwnMachine:
    teaching.runner.run_to([ENTRY], 30)
    return teaching


def test_memory_holds_the_segment_of_the_kernel_file(at_entry: OwnMachine) -> None:
    assert at_entry.qemu is not None
    kernel = open_kernel(at_entry.qemu.options.kernel, at_entry.folder)
    first = kernel.facts.segments[0]
    data = Path(kernel.facts.elf).read_bytes()[first.offset :][: first.filesz]

    assert data == at_entry.target.read_phys(first.paddr, len(data))


def test_written_memory_is_read_back_across_chunks(at_entry: OwnMachine) -> None:
    data = bytes(range(256)) * 0x210 + b"odd"
    at_entry.target.write_phys(0x8000003, data)

    assert data == at_entry.target.read_phys(0x8000003, len(data))


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


@pytest.mark.parametrize(("paddr", "size"), [(-1, 1), ((1 << 64) - 1, 2), (1 << 64, 1)])
def test_an_invalid_address_is_unreadable(at_entry: OwnMachine, paddr: int, size: int) -> None:
    with pytest.raises(MemoryUnreadable):
        at_entry.target.read_phys(paddr, size)


def test_reading_no_bytes_returns_no_bytes(at_entry: OwnMachine) -> None:
    assert b"" == at_entry.target.read_phys(0x1000, 0)


def test_the_registers_at_the_entry_are_as_the_abi_requires(at_entry: OwnMachine) -> None:
    names = ("rip", "cr0", "cr4", "efer", "cs.base", "cs.limit", "ds.base", "tr.base", "tr.limit", "a20")
    wanted = [ENTRY, 0x11, 0, 0, 0, 0xFFFFFFFF, 0, 0, 0xFFFF, 1]

    assert wanted == [at_entry.target.register(name) for name in names]
    assert 0 == at_entry.target.register("eflags") & ~(FIXED | STATUS)


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


def test_an_unknown_register_is_an_error(at_entry: OwnMachine) -> None:
    with pytest.raises(RegisterUnavailable, match=r"^this machine has no such register$"):
        at_entry.target.register("xyzzy")


def test_a_symbol_comes_from_the_kernel_file(at_entry: OwnMachine) -> None:
    assert 0xFFFFFFFF80000000 < at_entry.target.symbol("xen_prepare_pvh")
    with pytest.raises(SymbolMissing):
        at_entry.target.symbol("no_such_thing")


def test_a_32_bit_machine_has_the_64_bit_names_and_4_gib(boot: Boot, grub_image: Path) -> None:
    machine = boot(grub_image, binary="qemu-system-i386")
    machine.runner.run_to([0x100000], 30)

    assert 0x100000 == machine.target.register("rip")
    assert bytes.fromhex("78c56e33") == machine.target.read_phys(machine.target.register("rbx"), 4)
    with pytest.raises(RegisterUnavailable):
        machine.target.register("r8")
    with pytest.raises(MemoryUnreadable, match="4 GiB"):
        machine.target.read_phys(1 << 32, 1)
