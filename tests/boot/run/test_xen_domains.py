"""The kernel is told from Xen, and from other guests of Xen that have code at the same addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg import guest
from pvhdbg.abi.cpu import EFER_SVME
from pvhdbg.boot.run import xen_domains
from pvhdbg.image.facts import read_facts
from pvhdbg.target.base import HIT, TIMEOUT, Halt
from pvhdbg.target.nested import IN_XEN

if TYPE_CHECKING:
    from collections.abc import Collection

    from pvhdbg.image.facts import ImageFacts

IN_XENS_CODE = 0xFFFF_82D0_4032_2009


class Machine:
    """A machine with these registers. Its memory has the kernel, or only zeros."""

    def __init__(self, image: ImageFacts, *, has_kernel: bool, **registers: int) -> None:
        self.image, self.has_kernel, self.registers = image, has_kernel, registers

    def register(self, name: str) -> int:
        return self.registers.get(name, 0)

    def read_phys(self, paddr: int, size: int) -> bytes:
        found = [item.data for item in self.image.fingerprints if item.paddr == paddr and self.has_kernel]
        return found[0] if found else bytes(size)

    def symbol(self, name: str) -> int:
        raise NotImplementedError(name)

    def is_on_xen(self) -> bool:
        return bool(self.register("efer") & EFER_SVME)


class Guest(Machine):
    """A machine that executes Xen, which has a guest at this address."""

    def show_guest(self) -> bool:
        self.registers["rip"] = 0xFFFF_FFFF_8100_0000
        return True


class Runs:
    """A Runner that hits the address each time. From the second time on, the kernel itself is there."""

    def __init__(self, machine: Machine, arrives: int) -> None:
        self.machine, self.arrives, self.count = machine, arrives, 0

    def run_to(self, addresses: Collection[int], timeout: float) -> Halt:
        self.count += 1
        self.machine.has_kernel = self.count >= self.arrives
        return Halt(HIT, min(addresses)) if timeout > 0 else Halt(TIMEOUT, None)


def test_xen_is_not_the_kernel() -> None:
    image = read_facts(str(guest.ELF))
    for efer in (0, EFER_SVME):  # before and after Xen has enabled SVM
        machine = Machine(image, has_kernel=False, rip=IN_XENS_CODE, efer=efer)
        assert (IN_XEN, False) == xen_domains.observe(machine, image)


def test_the_guest_that_has_left_for_xen_is_shown() -> None:
    image = read_facts(str(guest.ELF))
    machine = Guest(image, has_kernel=True, rip=IN_XENS_CODE, efer=EFER_SVME)
    now = xen_domains.observe(machine, image)

    assert now.why_not is None
    assert now.remark is not None
    assert "before Xen interrupted it" in now.remark


def test_another_guest_is_not_the_kernel() -> None:
    image = read_facts(str(guest.ELF))
    machine = Machine(image, has_kernel=False, rip=image.entry or 0, efer=EFER_SVME)
    assert "another guest of Xen" in str(xen_domains.observe(machine, image).why_not)


def test_without_xen_any_kernel_is_looked_at() -> None:
    image = read_facts(str(guest.ELF))
    assert xen_domains.IN_KERNEL == xen_domains.observe(Machine(image, has_kernel=False, rip=image.entry or 0), image)


def test_a_hit_in_another_guest_goes_on() -> None:
    image = read_facts(str(guest.ELF))
    machine = Machine(image, has_kernel=False, rip=image.entry or 0, efer=EFER_SVME)
    runs = Runs(machine, arrives=3)
    halt = xen_domains.KernelRunner(machine, runs, lambda: image).run_to([image.entry or 0], 60)

    assert (HIT, 3) == (halt.kind, runs.count)


def test_without_xen_the_first_hit_counts() -> None:
    image = read_facts(str(guest.ELF))
    machine = Machine(image, has_kernel=False, rip=image.entry or 0)
    runs = Runs(machine, arrives=3)
    xen_domains.KernelRunner(machine, runs, lambda: image).run_to([image.entry or 0], 60)

    assert 1 == runs.count
