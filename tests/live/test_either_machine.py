"""A machine that is reached through gdb, and one that is reached through QEMU's stub: answers and runs are the same."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pvhdbg import guest
from pvhdbg.errors import MemoryUnreadable, NotConnected, RegisterUnavailable, SymbolMissing
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.target import monitor
from pvhdbg.target.base import DIED, HIT, INTERRUPTED, QEMU_EXIT, QEMU_SIGNAL, TIMEOUT, TRIPLE_FAULT, Halt
from tests import tiny
from tests.cli import patient
from tests.cli.shell import PATIENCE
from tests.live.runs import ENTRY, LINK_OFFSET, NOWHERE, booted, die, prepare, use_symbols, while_it_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.live.runs import Either

    BootEither = Callable[..., Either]

FIXED, STATUS = 0x2, 0x8D5
"""EFLAGS: the bit that is always 1; CF, PF, AF, ZF, SF and OF, which the firmware leaves undefined."""


@pytest.fixture(params=[OwnMachine, StubMachine])
def boot(request: pytest.FixtureRequest) -> Iterator[BootEither]:
    with ExitStack() as stack:

        def start(kernel: Path = guest.ELF, **options: object) -> Either:
            machine: Either = booted(stack.enter_context(request.param()), kernel, options)
            return machine

        yield start


@pytest.fixture
def machine(boot: BootEither) -> Either:
    """Return the teaching guest at the reset vector, with its symbols."""
    machine = boot()
    use_symbols(machine)
    return machine


@pytest.fixture
def looping(boot: BootEither, tmp_path: Path) -> Either:
    """Return a guest at the reset vector that will not halt, and will not get to the end of xen_prepare_pvh."""
    path = tmp_path / "looping"
    path.write_bytes(tiny.waiting())
    return boot(path)


@pytest.fixture
def at_entry(machine: Either) -> Either:
    machine.runner.run_to([ENTRY], 30)
    return machine


def test_memory_holds_the_segment_of_the_kernel_file(at_entry: Either) -> None:
    assert at_entry.qemu is not None
    kernel = open_kernel(at_entry.qemu.options.kernel, at_entry.folder)
    first = kernel.facts.segments[0]
    data = Path(kernel.facts.elf).read_bytes()[first.offset :][: first.filesz]

    assert data == at_entry.target.read_phys(first.paddr, len(data))


def test_written_memory_is_read_back_across_chunks(at_entry: Either) -> None:
    data = bytes(range(256)) * 0x210 + b"odd"
    at_entry.target.write_phys(0x8000003, data)

    assert data == at_entry.target.read_phys(0x8000003, len(data))


@pytest.mark.parametrize(("paddr", "size"), [(-1, 1), ((1 << 64) - 1, 2), (1 << 64, 1)])
def test_an_invalid_address_is_unreadable(at_entry: Either, paddr: int, size: int) -> None:
    with pytest.raises(MemoryUnreadable):
        at_entry.target.read_phys(paddr, size)


def test_reading_no_bytes_returns_no_bytes(at_entry: Either) -> None:
    assert b"" == at_entry.target.read_phys(0x1000, 0)


def test_the_registers_at_the_entry_are_as_the_abi_requires(at_entry: Either) -> None:
    names = ("rip", "cr0", "cr4", "efer", "cs.base", "cs.limit", "ds.base", "tr.base", "tr.limit", "a20")
    wanted = [ENTRY, 0x11, 0, 0, 0, 0xFFFFFFFF, 0, 0, 0xFFFF, 1]

    assert wanted == [at_entry.target.register(name) for name in names]
    assert 0 == at_entry.target.register("eflags") & ~(FIXED | STATUS)


def test_an_unknown_register_is_an_error(at_entry: Either) -> None:
    with pytest.raises(RegisterUnavailable, match=r"^this machine has no such register$"):
        at_entry.target.register("xyzzy")


def test_a_symbol_comes_from_the_kernel_file(at_entry: Either) -> None:
    assert LINK_OFFSET < at_entry.target.symbol("xen_prepare_pvh")
    with pytest.raises(SymbolMissing):
        at_entry.target.symbol("no_such_thing")


def test_a_32_bit_machine_has_the_64_bit_names_and_4_gib(boot: BootEither, grub_image: Path) -> None:
    machine = boot(grub_image, binary="qemu-system-i386")
    machine.runner.run_to([0x100000], 30)

    assert 0x100000 == machine.target.register("rip")
    assert bytes.fromhex("78c56e33") == machine.target.read_phys(machine.target.register("rbx"), 4)
    with pytest.raises(RegisterUnavailable):
        machine.target.register("r8")
    with pytest.raises(MemoryUnreadable, match="4 GiB"):
        machine.target.read_phys(1 << 32, 1)


def test_a_debian_kernel_stops_at_its_entry_and_at_an_alias_of_xen_prepare_pvh(
    boot: BootEither, debian_vmlinux: Path
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


def test_a_guest_that_does_not_reach_the_address_is_stopped_after_the_timeout(looping: Either) -> None:
    halt = patient.in_time(
        lambda seconds: looping.runner.run_to([NOWHERE], seconds), lambda halt: halt.rip in tiny.WAITING
    )

    assert (TIMEOUT, "") == (halt.kind, halt.message)
    assert halt.rip == looping.target.register("rip")
    assert halt.rip in tiny.WAITING


def test_a_guest_that_has_halted_for_good_is_not_waited_for(boot: BootEither, tmp_path: Path) -> None:
    path = tmp_path / "halting"
    path.write_bytes(tiny.halting())

    halt = boot(path).runner.run_to([NOWHERE], 100_000)

    assert (TIMEOUT, tiny.HALTS_AT, monitor.HALTED) == (halt.kind, halt.rip, halt.message)


def test_an_interrupt_from_another_thread_ends_the_run(looping: Either) -> None:
    with while_it_runs(looping, looping.runner.interrupt):
        halt = looping.runner.run_to([NOWHERE], PATIENCE)

    assert (INTERRUPTED, looping.target.register("rip")) == (halt.kind, halt.rip)


def test_a_triple_fault_is_a_death_and_the_guest_stays_dead(boot: BootEither, vmlinux_61: Path) -> None:
    machine = boot(vmlinux_61)
    halt = die(machine, vmlinux_61)
    assert halt.rip is not None

    assert (DIED, TRIPLE_FAULT) == (halt.kind, halt.how)
    assert bytes.fromhex("0f0b") == machine.target.read_phys(halt.rip - LINK_OFFSET, 2)
    assert halt == machine.runner.run_to([NOWHERE], 30)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGFPE])
def test_a_qemu_killed_while_the_guest_runs_is_a_death(looping: Either, number: signal.Signals) -> None:
    assert looping.qemu is not None
    pid = looping.qemu.pid
    with while_it_runs(looping, lambda: os.kill(pid, number)):
        halt = looping.runner.run_to([NOWHERE], PATIENCE)

    assert Halt(DIED, None, QEMU_SIGNAL, f"QEMU was killed by {number.name}") == halt


def test_a_qemu_killed_while_the_guest_is_stopped_is_a_death(machine: Either) -> None:
    assert machine.qemu is not None
    os.kill(machine.qemu.pid, signal.SIGKILL)
    assert machine.qemu.death(5) is not None

    with pytest.raises(NotConnected, match=r"^the machine is gone$"):
        machine.target.read_phys(0, 16)
    assert Halt(DIED, None, QEMU_SIGNAL, "QEMU was killed by SIGKILL") == machine.runner.run_to([ENTRY], 30)


def test_a_qemu_that_exits_after_sigterm_is_a_death(machine: Either) -> None:
    assert machine.qemu is not None
    os.kill(machine.qemu.pid, signal.SIGTERM)
    halt = machine.runner.run_to([NOWHERE], 30)

    assert (DIED, QEMU_EXIT) == (halt.kind, halt.how)
    assert halt.message.startswith("QEMU exited with status 0: terminating on signal 15")


def test_a_run_from_an_address_stops_there_only_when_it_is_reached_again(machine: Either) -> None:
    machine.runner.run_to([ENTRY], 30)
    second = machine.runner.run_to([ENTRY, *prepare(machine)], 30)

    assert (HIT, True) == (second.kind, second.rip in prepare(machine))


def test_a_second_boot_starts_at_the_reset_vector(machine: Either) -> None:
    assert machine.qemu is not None
    machine.runner.run_to([ENTRY], 30)
    machine.boot(machine.qemu.options, machine.target.symbols)
    machine.wait_ready()

    assert 0xFFF0 == machine.target.register("rip")
    assert Halt(HIT, ENTRY) == machine.runner.run_to([ENTRY], 30)
