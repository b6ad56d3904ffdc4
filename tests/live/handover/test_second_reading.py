"""At the entry, memory and the CPU are what the second reading of each VMM's source says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from pvhdbg.abi.start_info import MAGIC, MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.live.debuggee.stub_machine import StubMachine
from tests.live.handover.test_handover import RAM, hand_over
from tests.vmm_profiles.second_reading import READINGS, RFC2017_BLOB, RFC2017_NAME, Segment, domu_map

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.boot.stop.capture import Capture
    from tests.vmm_profiles.second_reading import Reading

PAGE = bytes(range(256)) * 16
GENERAL = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp")
CR0_ET, TSS_BUSY = 0x10, 0x2
BY_TCG = {"xen-domu": ("tr",), "xen-dom0": ("tr",)}
"""Whose selectors TCG cannot have: 0 in TR."""


def segment(entry: Capture, name: str) -> Segment:
    """Return a segment register as the reading counts it; TCG keeps the upper bits of the limit in the flags."""
    name = {"ldtr": "ldt"}.get(name, name)
    selector, base, limit, flags = (entry.registers[key] for key in (name, *(f"{name}.{it}" for it in PARTS)))
    assert None not in (selector, base, limit, flags)
    return Segment(selector or 0, base or 0, limit or 0, (flags or 0) >> 8 & 0xF0FF)


PARTS = ("base", "limit", "flags")


def compare_segments(entry: Capture, name: str, reading: Reading) -> None:
    for register, expected in reading.cpu.segments.items():
        found = segment(entry, register)
        if register == "tr":
            found = Segment(found.selector, found.base, found.limit, found.access | TSS_BUSY)
        if register in BY_TCG.get(name, ()):
            found = Segment(expected.selector, *[getattr(found, it) for it in ("base", "limit", "access")])
        if not expected.access & 0x80:  # an unusable segment has nothing else
            assert not found.access & 0x80 or register == "ldtr", register
            continue
        assert expected == found, register


def compare_registers(entry: Capture, reading: Reading) -> None:
    cpu, registers = reading.cpu, entry.registers
    assert (cpu.cr0 | CR0_ET, cpu.cr4, cpu.efer, cpu.eflags) == tuple(
        registers[name] for name in ("cr0", "cr4", "efer", "eflags")
    )
    assert cpu.gdt == (registers["gdtr.base"], registers["gdtr.limit"])
    assert cpu.idt == (registers["idtr.base"], registers["idtr.limit"])
    for name in GENERAL:
        expected = cpu.general.get(name, 0)
        assert expected in (None, registers[name]), name


class Seen(NamedTuple):
    """What guest memory has at the entry. `loaded` are the bytes of the module."""

    entry: Capture
    info: StartInfo
    module: ModlistEntry
    map: tuple[tuple[int, int, int], ...]
    gdt: bytes
    words: list[int]
    loaded: bytes


def seen(name: str, reading: Reading, initrd: Path) -> Seen:
    initrd.write_bytes(PAGE)
    with StubMachine() as machine:
        entry = hand_over(machine, name, initrd).history[-1]
        read, at = machine.target.read_phys, entry.registers["rbx"] or 0
        info = StartInfo(read(at, StartInfo.SIZE), at)
        module = ModlistEntry(read(info.modlist_paddr, ModlistEntry.SIZE), info.modlist_paddr)
        count = info.memmap_entries if reading.version else 0
        places = [info.memmap_paddr + MemmapTableEntry.SIZE * index for index in range(count)]
        entries = [MemmapTableEntry(read(place, MemmapTableEntry.SIZE), place) for place in places]
        return Seen(
            entry,
            info,
            module,
            tuple((it.addr, it.size, it.type) for it in entries),
            read(reading.cpu.gdt[0], 8 * len(reading.gdt_entries)),
            [int.from_bytes(read(address, size), "little") for address, size, _ in reading.words],
            read(module.paddr, len(PAGE)),
        )


@pytest.mark.parametrize("name", READINGS)
def test_the_entry_is_what_the_second_reading_says(name: str, tmp_path: Path) -> None:
    reading = READINGS[name]
    entry, info, module, entries, gdt, words, loaded = seen(name, reading, tmp_path / "initrd")
    is_domu = name == "xen-domu"

    compare_segments(entry, name, reading)
    compare_registers(entry, reading)
    assert (MAGIC, reading.version, reading.flags, 1) == (info.magic, info.version, info.flags, info.nr_modules)
    assert reading.start_info in (None, entry.registers["rbx"])
    assert reading.modlist in (None, info.modlist_paddr)
    assert reading.cmdline in (None, info.cmdline_paddr)
    assert entries == (domu_map(RAM, entries[4][1] // 4096, in_bios_area=True) if is_domu else reading.maps[RAM])
    assert b"".join(value.to_bytes(8, "little") for value in reading.gdt_entries) == gdt
    assert [value for _, _, value in reading.words] == words
    assert (PAGE, len(PAGE), 0) == (loaded, module.size, module.cmdline_paddr)
    assert module.paddr == (reading.initrd_of_4096[RAM] if reading.initrd_of_4096 else module.paddr)


def test_the_handover_of_2017_is_what_the_rfcs_kernel_reads(tmp_path: Path) -> None:
    initrd = tmp_path / "initrd"
    initrd.write_bytes(PAGE)
    with StubMachine() as machine:
        entry = hand_over(machine, "rfc2017", initrd).history[-1]
        read = machine.target.read_phys
        assert entry.start_info is not None
        modules = entry.start_info.modlist_paddr
        initrd_module, map_module = (
            ModlistEntry(read(modules + ModlistEntry.SIZE * index, ModlistEntry.SIZE), 0) for index in range(2)
        )
        name, blob = read(map_module.cmdline_paddr, len(RFC2017_NAME)), read(map_module.paddr, map_module.size)
        loaded = read(initrd_module.paddr, initrd_module.size)

    header, row = RFC2017_BLOB
    assert (0, 2) == (entry.start_info.version, entry.start_info.nr_modules)
    assert (RFC2017_NAME, PAGE) == (name, loaded)
    assert header + row * int.from_bytes(blob[:header], "little") == len(blob)
