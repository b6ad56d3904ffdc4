"""Addresses, and a way to die, that the tests of runners share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.image.load import open_kernel

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.live.debuggee.own_machine import OwnMachine
    from pvhdbg.live.debuggee.stub_machine import StubMachine
    from pvhdbg.target.base import Halt

    Either = OwnMachine | StubMachine

ENTRY, NOWHERE = 0x1000000, 0x10
"""The teaching guest's entry, and an address that no guest reaches."""
LINK_OFFSET = 0xFFFFFFFF80000000


def prepare(machine: Either) -> tuple[int, int]:
    """Return the link address and the physical address of xen_prepare_pvh."""
    address = machine.target.symbol("xen_prepare_pvh")
    return address, address - LINK_OFFSET


def die(machine: Either, vmlinux: Path) -> Halt:
    """Make Linux die: with a wrong magic in start_info, it executes BUG()."""
    entry = open_kernel(str(vmlinux), machine.folder).facts.entry
    assert entry is not None
    machine.runner.run_to([entry], 30)
    machine.target.write_phys(machine.target.register("rbx"), bytes(4))
    return machine.runner.run_to([NOWHERE], 30)
