"""The smallest interface to a machine: three questions, writing where it allows it, and one verb to run it."""

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
"""Where it is: CS has a base of its own then. A breakpoint there comes at each reset."""

TRIPLE_FAULT = "triple-fault"
KVM_INTERNAL_ERROR = "kvm-internal-error"
QEMU_EXIT = "qemu-exit"
QEMU_SIGNAL = "qemu-signal"

NO_MONITOR = "the stub has no QEMU monitor to ask"
"""Why a register that only QEMU's monitor tells is not there."""


class Symbols(Protocol):
    """Where a kernel's symbols are asked for by name: in a file, or wherever else they are known."""

    def address(self, name: str) -> int:
        """A symbol's link address.

        :raise SymbolMissing: if there is none of that name.
        """
        ...


class Target(Protocol):
    """A machine that stands still."""

    def read_phys(self, paddr: int, size: int) -> bytes:
        """Exactly `size` bytes of guest-physical memory. QEMU answers zeros where there is no memory.

        :raise MemoryUnreadable: where the machine refuses, or a recording does not hold them.
        """
        ...

    def register(self, name: str) -> int:
        """A register by its 64-bit name; also `cs.base`, `tr.limit`, `gdtr.base`, `a20` and the like.

        :raise RegisterUnavailable: if there is none or the stub does not tell.
        """
        ...

    def symbol(self, name: str) -> int:
        """The link address of a symbol of the kernel.

        :raise SymbolMissing: if the kernel has none of that name, or no symbols.
        """
        ...


class WritableTarget(Target, Protocol):
    """A machine whose memory can be written: live, not recorded."""

    def write_phys(self, paddr: int, data: bytes) -> None:
        """:raise MemoryUnreadable: where the machine refuses."""
        ...


class Halt(NamedTuple):
    """Why and where the machine stopped.

    `kind` is HIT at one of the addresses asked for, DIED, TIMEOUT, INTERRUPTED, ELSEWHERE (a user's breakpoint or
    watchpoint came first) or RESET (it is at its reset vector again). `how` says of a death which: triple-fault,
    kvm-internal-error, qemu-exit or qemu-signal. `rip` is null when QEMU is gone. `message` is one line for a person:
    the machine's last words, or which breakpoint.
    """

    kind: str
    rip: int | None
    how: str | None = None
    message: str = ""


class Runner(Protocol):
    """A machine that can be let run."""

    def run_to(self, addresses: Collection[int], timeout: float) -> Halt:
        """Run until RIP is one of `addresses`, `timeout` seconds are up, or the guest dies.

        Breakpoints it needs are hardware ones, and gone when it returns. A dead machine is not resumed: it answers
        DIED again.

        :raise NotConnected: if there is no machine behind it any more.
        """
        ...
