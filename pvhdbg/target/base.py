"""The smallest interface to a machine: read memory, registers and symbols, write memory, run to an address."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

HIT = "hit"
DIED = "died"
TIMEOUT = "timeout"
INTERRUPTED = "interrupted"
ELSEWHERE = "elsewhere"
RESET = "reset"

RESET_VECTOR = 0xFFF0
"""RIP of an x86 CPU after a reset."""
RESET_VECTOR_PADDR = 0xFFFFFFF0
"""Physical address of the reset vector (after a reset, CS has a special base). A breakpoint here detects a reset."""

TRIPLE_FAULT = "triple-fault"
KVM_INTERNAL_ERROR = "kvm-internal-error"
QEMU_EXIT = "qemu-exit"
QEMU_SIGNAL = "qemu-signal"

NO_MONITOR = "the gdb stub offers no QEMU monitor"
"""Why a register that only QEMU's monitor has is missing."""


class Symbols(Protocol):
    """Looks up a kernel's symbols by name."""

    def address(self, name: str) -> int:
        """Return a symbol's link address.

        :raise SymbolMissing: if there is no such symbol.
        """
        ...


class Target(Protocol):
    """A stopped machine."""

    def read_phys(self, paddr: int, size: int) -> bytes:
        """Return exactly `size` bytes of guest-physical memory. QEMU returns zeros where there is no memory.

        :raise MemoryUnreadable: if the machine refuses, or a recording does not have these bytes.
        """
        ...

    def register(self, name: str) -> int:
        """Return a register by its 64-bit name; also `cs.base`, `tr.limit`, `gdtr.base`, `a20` and so on.

        :raise RegisterUnavailable: if there is no such register, or the stub does not have it.
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
        """:raise MemoryUnreadable: if the machine refuses."""
        ...


class Halt(NamedTuple):
    """Why and where the machine stopped.

    `kind` is HIT (one of the requested addresses), DIED, TIMEOUT, INTERRUPTED, ELSEWHERE (a breakpoint or watchpoint of
    the user's was hit first) or RESET (the machine is at its reset vector again). `how` is the kind of death:
    TRIPLE_FAULT, KVM_INTERNAL_ERROR, QEMU_EXIT or QEMU_SIGNAL. `rip` is None if QEMU is gone. `message` is one line for
    the user: how the machine died, or which breakpoint was hit.
    """

    kind: str
    rip: int | None
    how: str | None = None
    message: str = ""


class Runner(Protocol):
    """A machine that can be run."""

    def run_to(self, addresses: Collection[int], timeout: float) -> Halt:
        """Run until RIP is one of `addresses`, `timeout` seconds have passed, or the guest dies.

        It sets hardware breakpoints and removes them before it returns. It does not resume a dead machine, but returns
        DIED again.

        :raise NotConnected: if the machine is gone.
        """
        ...
