"""The smallest interface to a machine: read memory, registers and symbols, write memory, run to an address."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol, runtime_checkable

from pvhdbg.named_tuple import NamedTuple

HIT = "hit"
DIED = "died"
TIMEOUT = "timeout"
INTERRUPTED = "interrupted"
ELSEWHERE = "elsewhere"
RESET = "reset"

RESET_VECTOR = 0xFFF0
"""RIP of an x86 CPU after a reset."""
RESET_VECTOR_PADDR = 0xFFFFFFF0
"""The physical address of the reset vector. It is not RIP, because CS has a special base after a reset. A breakpoint at
this address detects a reset.
"""

KVM_BREAKPOINTS = 4
"""The number of hardware breakpoints of a CPU under KVM. Under TCG, there is no limit."""

TRIPLE_FAULT = "triple-fault"
DOMAIN_CRASH = "domain-crash"
"""Xen, which runs in QEMU, has ended its guest for another reason than a triple fault."""
KVM_INTERNAL_ERROR = "kvm-internal-error"
QEMU_EXIT = "qemu-exit"
QEMU_SIGNAL = "qemu-signal"

NO_MONITOR = "the gdb stub offers no QEMU monitor"
"""The reason for a missing register, if only QEMU's monitor provides this register."""


class Symbols(Protocol):
    """Look up the symbols of a kernel by name."""

    def address(self, name: str) -> int:
        """Return a symbol's link address.

        :raise SymbolMissing: if there is no such symbol.
        """
        ...


class Target(Protocol):
    """A stopped machine."""

    def read_phys(self, paddr: int, size: int) -> bytes:
        """Return exactly `size` bytes of guest-physical memory. QEMU returns zeros for addresses without memory.

        :raise MemoryUnreadable: if the machine cannot read these bytes, or a recording does not have them.
        """
        ...

    def register(self, name: str) -> int:
        """Return the value of a register. `name` is its 64-bit name, or `cs.base`, `tr.limit`, `gdtr.base`, `a20` etc.

        :raise RegisterUnavailable: if there is no such register, or the gdb stub does not provide it.
        """
        ...

    def symbol(self, name: str) -> int:
        """Return the link address of one of the kernel's symbols.

        :raise SymbolMissing: if the kernel has no such symbol, or no symbols at all.
        """
        ...


class WritableTarget(Target, Protocol):
    """A machine whose memory can be written: a live one, not a recording."""

    def write_phys(self, paddr: int, data: bytes) -> None:
        """Write guest-physical memory.

        :raise MemoryUnreadable: if the machine cannot write these bytes.
        """
        ...


class ControllableTarget(WritableTarget, Protocol):
    """A machine whose registers can be written too."""

    def write_register(self, name: str, value: int) -> None:
        """Set a register that the gdb stub provides. `name` is its 64-bit name.

        :raise RegisterUnavailable: if the stub does not provide it, or does not set it.
        """
        ...


class Halt(NamedTuple):
    """Why and where the machine stopped.

    `kind` is HIT (it reached one of the requested addresses), DIED, TIMEOUT, INTERRUPTED, ELSEWHERE (it first hit a
    breakpoint or watchpoint of the user) or RESET (it is at its reset vector again). `how` is the kind of death:
    TRIPLE_FAULT, DOMAIN_CRASH, KVM_INTERNAL_ERROR, QEMU_EXIT or QEMU_SIGNAL. `rip` is None if QEMU is gone. `message`
    is one line for the user: how the machine died, or which breakpoint was hit. A HIT has a message if the user has a
    breakpoint there.
    """

    kind: str
    rip: int | None
    how: str | None = None
    message: str = ""


class Runner(Protocol):
    """A machine that can be run."""

    def run_to(self, addresses: Collection[int], timeout: float) -> Halt:
        """Run until RIP is one of `addresses`, `timeout` seconds have passed, or the guest dies.

        The runner sets hardware breakpoints and removes them before it returns. It does not resume a dead machine, but
        returns DIED again.

        :raise NotConnected: if the machine is gone.
        """
        ...


@runtime_checkable
class ReturnRunner(Runner, Protocol):
    """A Runner that can also run to the return from a function without a breakpoint.

    If `has_slow_pages` is set, the machine executes the code of a page that has a breakpoint one instruction at a time,
    as QEMU's TCG does.
    """

    has_slow_pages: bool

    def run_to_return(self, timeout: float) -> Halt:
        """Run from the first instruction of a function until it returns: HIT. For other halts, see Runner.

        :raise NotConnected: if the machine is gone.
        """
        ...
