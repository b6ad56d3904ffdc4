"""What the guest finds at its entry under each profile: all memory that the handover touches, and the registers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from pvhdbg import guest
from pvhdbg.boot.handover import apply
from pvhdbg.boot.handover.from_profile import ProfileHandover
from pvhdbg.boot.run.entry_changes import EntryChanges
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.stop import ranges
from pvhdbg.errors import UserError
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.vmm_profiles import table
from pvhdbg.vmm_profiles.cpu_state import RESET_LDTR, UNUSABLE
from pvhdbg.vmm_profiles.profile import Placed

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.vmm_profiles.cpu_state import CpuState, Segment
    from pvhdbg.vmm_profiles.profile import Layout
    from tests.live.runs import Either

RAM = 512 << 20
FIRST_MIB = 1 << 20
INITRD = bytes(range(1, 256)) * 40 + b"end"
"""Its size is not a multiple of 4, and it overlaps the place to which some VMMs move it."""
NAMES = [name for name in table.NAMES if name != table.QEMU]
LIMIT_BITS, BUSY, ET = 0xF0000, 0x200, 0x10


class AtEntry(NamedTuple):
    """The guest at its entry: what was handed over, the capture, and what memory has."""

    name: str
    cpu: CpuState
    placed: tuple[Placed, ...]
    entry: Capture
    first_mib: bytes
    read: dict[Placed, bytes]
    initrd: bytes


def hand_over(machine: Either, name: str, initrd: Path, **options: str) -> Journey:
    """Boot the teaching guest with an initrd to its entry, with the handover of a VMM."""
    layout = table.profile(name).layout
    assert layout is not None
    journey = booting(machine, name, layout, initrd, **options)
    assert ["hit"] == [halt.kind for halt in journey.go("entry", 30)]
    return journey


def booting(machine: Either, name: str, layout: Layout, initrd: Path, **options: str) -> Journey:
    machine.boot(QemuOptions(str(guest.ELF), initrd=str(initrd), **options))  # type: ignore[arg-type]
    machine.wait_ready()
    kernel = open_kernel(str(guest.ELF), machine.folder)
    machine.target.symbols = kernel.symbols
    changes = EntryChanges(ProfileHandover(table.profile(name), layout, RAM))
    return Journey(machine.target, machine.runner, kernel.facts, changes=changes, trust_image=True)


def at_entry(machine: Either, name: str, initrd: Path) -> AtEntry:
    journey = hand_over(machine, name, initrd)
    assert journey.handed_over is not None
    handover, entry = journey.handed_over.handover, journey.history[-1]
    assert entry.modules is not None
    read = machine.target.read_phys
    return AtEntry(
        name,
        handover.cpu,
        handover.placed,
        entry,
        read(0, FIRST_MIB),
        {part: read(part.paddr, len(part.data)) for part in handover.placed},
        read(entry.modules[0].entry.paddr, len(INITRD)),
    )


@pytest.fixture(scope="module")
def initrd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("handover") / "initrd"
    path.write_bytes(INITRD)
    return path


@pytest.fixture(scope="module", params=NAMES)
def handed_over(request: pytest.FixtureRequest, initrd: Path) -> AtEntry:
    with StubMachine() as machine:
        return at_entry(machine, request.param, initrd)


def test_each_structure_is_in_memory(handed_over: AtEntry) -> None:
    assert {"start_info", "modules", "cmdline"} <= {part.name for part in handed_over.placed}
    assert {part: part.data for part in handed_over.placed} == handed_over.read


def test_nothing_else_is_below_1_mib(handed_over: AtEntry) -> None:
    used = [(part.paddr, part.paddr + len(part.data)) for part in handed_over.placed]
    module = handed_over.entry.modules[0].span if handed_over.entry.modules else (0, 0)
    free = ranges.minus([(0, FIRST_MIB)], [*used, module])

    assert [] == [hex(start) for start, end in free if any(handed_over.first_mib[start:end])]


def test_the_acpi_tables_are_where_the_vmm_puts_them_and_their_bytes_add_up_to_0(handed_over: AtEntry) -> None:
    tables = {part.name: part for part in handed_over.placed if part.name in ("RSDP", "ACPI tables")}
    sums = {name: sum(handed_over.read[part]) & 0xFF for name, part in tables.items()}

    assert sums in ({}, {"RSDP": 0, "ACPI tables": 0})
    assert bool(tables) == (handed_over.name not in ("libkrun", "gokvm"))


def test_the_initrd_is_where_the_module_list_says(handed_over: AtEntry) -> None:
    assert INITRD == handed_over.initrd


def test_the_control_registers_and_the_general_registers_are_the_vmms(handed_over: AtEntry) -> None:
    cpu, registers = handed_over.cpu, handed_over.entry.registers
    start_info = handed_over.entry.start_info
    expected = {
        "cr0": cpu.cr0 | ET,
        "cr4": cpu.cr4,
        "efer": cpu.efer,
        "eflags": cpu.eflags,
        **cpu.general_registers,
        "gdtr.base": cpu.gdtr.base,
        "gdtr.limit": cpu.gdtr.limit,
        "idtr.base": cpu.idtr.base,
        "idtr.limit": cpu.idtr.limit,
    }

    assert expected == {name: registers[name] for name in expected}
    assert start_info is not None
    assert start_info.at == registers["rbx"]


@pytest.mark.parametrize("name", ["cs", "ds", "es", "ss", "fs", "gs"])
def test_each_segment_has_the_vmms_selector_and_hidden_state(handed_over: AtEntry, name: str) -> None:
    segment = handed_over.cpu.segments[name]

    assert segment == segment_register(handed_over.entry, name)


def test_tr_and_ldtr_are_the_vmms_as_far_as_tcg_can(handed_over: AtEntry) -> None:
    tr, ldtr = handed_over.cpu.tr, handed_over.cpu.ldtr
    found = segment_register(handed_over.entry, "tr")

    assert tr._replace(flags=tr.flags & ~BUSY, selector=tr.selector or found.selector) == found
    no_flags = ldtr._replace(flags=RESET_LDTR.flags) if ldtr == UNUSABLE else ldtr
    assert no_flags == segment_register(handed_over.entry, "ldt")


def segment_register(entry: Capture, name: str) -> Segment:
    values = [entry.registers[key] or 0 for key in (name, f"{name}.base", f"{name}.limit", f"{name}.flags")]
    segment = RESET_LDTR._replace(selector=values[0], base=values[1], limit=values[2], flags=values[3])
    return segment._replace(flags=segment.flags & ~LIMIT_BITS)


@pytest.mark.parametrize("name", ["firecracker", "xen-domu"])
def test_gdb_and_the_stub_make_the_same_handover(name: str, initrd: Path) -> None:
    with OwnMachine() as with_gdb, StubMachine() as without:
        first, second = at_entry(with_gdb, name, initrd), at_entry(without, name, initrd)

    assert second.entry.registers == first.entry.registers
    assert second.first_mib == first.first_mib
    assert second.initrd == first.initrd


def test_a_command_line_of_2047_bytes_is_the_longest_that_firecracker_takes(initrd: Path) -> None:
    with StubMachine() as machine:
        journey = hand_over(machine, "firecracker", initrd, append="x" * 2047)
        cmdline = journey.history[-1].cmdline
    assert cmdline is not None
    assert b"x" * 2047 == cmdline.raw

    with StubMachine() as machine, pytest.raises(UserError, match="has 2048 bytes; Firecracker accepts at most 2047"):
        hand_over(machine, "firecracker", initrd, append="x" * 2048)


def test_a_state_that_the_cpu_does_not_accept_is_refused(initrd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "_TIMEOUT", 5.0)  # QEMU 7.2 hangs
    layout = table.profile("firecracker").layout
    assert layout is not None
    broken = layout._replace(cpu=layout.cpu._replace(cr4=1 << 30))

    with StubMachine() as machine, pytest.raises(UserError, match=r"not accept the state .* CR4 0x40000000"):
        list(booting(machine, "firecracker", broken, initrd).go("entry", 30))


def test_ram_that_qemu_does_not_have_is_refused(initrd: Path) -> None:
    with StubMachine() as machine, pytest.raises(UserError, match="QEMU's microvm has none there"):
        hand_over(machine, "gokvm", initrd, memory="200M")
