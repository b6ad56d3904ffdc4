"""What tests of machines share: how to start one, addresses, and a way to die."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pvhdbg import guest
from pvhdbg.boot.lab.assignment import parse_assignment
from pvhdbg.boot.run.entry_changes import EntryChanges
from pvhdbg.image.load import open_kernel
from pvhdbg.live.back.going_back import RewindableDebuggee
from pvhdbg.live.debuggee.debuggee import Debuggee
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.qemu.options import QemuOptions, qemu_binary
from tests.cli.shell import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pvhdbg.image.load import Kernel
    from pvhdbg.live.debuggee.stub_machine import StubMachine
    from pvhdbg.target.base import Halt

    Either = OwnMachine | StubMachine

M = TypeVar("M", "OwnMachine", "StubMachine")
ENTRY, NOWHERE = 0x1000000, 0x10
"""The teaching guest's entry, and an address that no guest reaches."""
LINK_OFFSET = 0xFFFFFFFF80000000


def booted(machine: M, kernel: Path, options: Mapping[str, object]) -> M:
    """Boot a kernel with these options for QemuOptions, wait for QEMU, and return the machine."""
    machine.boot(QemuOptions(str(kernel), **options))  # type: ignore[arg-type]  # checked by its callers
    machine.wait_ready()
    return machine


@contextmanager
def started(kernel: Path = guest.ELF) -> Iterator[Debuggee]:
    """Boot a kernel, by default the teaching guest, to the reset vector, in a machine that ends with the block."""
    with OwnMachine() as machine:
        opened = open_kernel(str(kernel), machine.folder)
        options = QemuOptions(str(kernel))
        machine.boot(options, opened.symbols)
        machine.wait_ready()
        yield Debuggee(machine, opened, options, 60)


def use_symbols(machine: Either) -> None:
    """Give the target of a machine the symbols of the teaching guest."""
    machine.target.symbols = open_kernel(str(guest.ELF), machine.folder).symbols


def rewindable(own: OwnMachine, kernel: Path, changes: Sequence[str], **options: object) -> RewindableDebuggee:
    """Boot a kernel on a machine that takes snapshots, and run to the first stop. `changes` are as for --set."""
    opened = open_kernel(str(kernel), own.folder)
    booted(own, kernel, {"no_snapshots": None, "binary": binary_for(opened), **options})
    own.target.symbols = opened.symbols
    assert own.qemu is not None
    entry_changes = EntryChanges(None, ["as-is", *map(parse_assignment, changes)] if changes else [])
    debuggee = RewindableDebuggee(own, opened, own.qemu.options, 30, (), entry_changes)
    debuggee.to_first_stop()
    return debuggee


@contextmanager
def while_it_runs(machine: Either, act: Callable[[], object]) -> Iterator[None]:
    """Call `act` in another thread, as soon as the block lets the guest run."""

    def wait_and_act() -> None:
        wait_for(lambda: machine.runner.is_running)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def binary_for(kernel: Kernel) -> str:
    """Return the QEMU that pvhdbg would start for a kernel."""
    return qemu_binary(kernel.facts, linux=Path(kernel.facts.path).name.startswith("vmlinux"))


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
