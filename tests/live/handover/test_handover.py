"""`--vmm`: what the guest finds at its entry, with gdb and without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg import guest
from pvhdbg.boot.handover.from_profile import ProfileHandover
from pvhdbg.boot.run.entry_changes import EntryChanges
from pvhdbg.boot.run.journey import Journey
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.vmm_profiles import table

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.runs import Either

RAM = 512 << 20
INITRD = bytes(range(1, 256)) * 40


def handed_over(machine: Either, name: str, initrd: Path) -> Journey:
    """Boot the teaching guest with an initrd to its entry, with the handover of a VMM."""
    machine.boot(QemuOptions(str(guest.ELF), initrd=str(initrd)))
    machine.wait_ready()
    kernel = open_kernel(str(guest.ELF), machine.folder)
    machine.target.symbols = kernel.symbols
    profile = table.profile(name)
    assert profile.layout is not None
    changes = EntryChanges(ProfileHandover(profile, profile.layout, RAM))
    journey = Journey(machine.target, machine.runner, kernel.facts, changes=changes, trust_image=True)
    assert ["hit"] == [halt.kind for halt in journey.go("entry", 30)]
    return journey


REGISTERS = {
    "rax": 0,
    "rbx": 0x6000,
    "rcx": 0,
    "rdx": 0,
    "rsi": 0,
    "rdi": 0,
    "rbp": 0,
    "rsp": 0,
    "eflags": 2,
    "cr0": 0x11,
    "cr4": 0,
    "efer": 0,
    "cs": 8,
    "ds": 0x10,
    "es": 0x10,
    "ss": 0x10,
    "fs": 0x10,
    "gs": 0x10,
    "tr": 0x18,
    "tr.limit": 0x67,
    "gdtr.base": 0x500,
    "gdtr.limit": 31,
    "idtr.base": 0x520,
    "idtr.limit": 7,
}
GDT = "0000000000000000ffff0000009bcf00ffff00000093cf0067000000008b0000"
STRUCTURES = ((0x500, 0x520), (0x6000, 0x6038), (0x6040, 0x6060), (0x7000, 0x7060), (0x20000, 0x20020))


@pytest.mark.parametrize("way", [OwnMachine, StubMachine])
def test_firecrackers_handover_is_in_memory_and_in_the_registers(way: type[Either], tmp_path: Path) -> None:
    initrd = tmp_path / "initrd"
    initrd.write_bytes(INITRD)
    with way() as machine:
        entry = handed_over(machine, "firecracker", initrd).history[-1]
        low = bytearray(machine.target.read_phys(0, 1 << 20))
        module = machine.target.read_phys((RAM - len(INITRD)) & ~0xFFF, len(INITRD))

    assert REGISTERS == {name: entry.registers[name] for name in REGISTERS}
    assert GDT == low[0x500:0x520].hex()
    assert INITRD == module
    for start, end in STRUCTURES:
        low[start:end] = bytes(end - start)
    assert not any(low)
