"""A whole run: the kernel, the machine, every stop, and how it ended. What a recording holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.text import printable
from pvhdbg.target.base import QEMU_EXIT, QEMU_SIGNAL, TRIPLE_FAULT

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts

ENDS = DONE, DEAD, TIMED_OUT, INTERRUPTED = "done", "died", "timeout", "interrupted"


_RAM = re.compile(r"(?:size=)?(\d{1,12})([KMGT]?)", re.ASCII | re.IGNORECASE)
_UNITS = {"K": 10, "": 20, "M": 20, "G": 30, "T": 40}


class Rewrite(NamedTuple):
    """Bytes that pvhdbg changed at the entry stop, and for which path of the document."""

    path: str
    paddr: int
    before: bytes
    after: bytes


class MachineFacts(NamedTuple):
    """The machine it ran on. `argv` is QEMU's; everything is null or empty for a machine that is not ours."""

    qemu: str | None = None
    machine: str | None = None
    accel: str | None = None
    cpu: str | None = None
    memory: str | None = None
    append: str | None = None
    initrd: str | None = None
    argv: tuple[str, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()


def ram_size(memory: str | None) -> int | None:
    """The bytes that QEMU's `-m` means, a number of MiB or one with its unit; null where it says more than a size."""
    found = _RAM.fullmatch(memory or "")
    return int(found[1]) << _UNITS[found[2].upper()] if found else None


class Death(NamedTuple):
    """How a guest ended: triple-fault, kvm-internal-error, qemu-exit or qemu-signal; where, and its last words."""

    how: str
    rip: int | None
    symbol: str | None
    message: str

    @property
    def is_triple_fault(self) -> bool:
        return self.how == TRIPLE_FAULT

    def describe(self, place: str) -> str:
        """In words, for a terminal; `place` is " at …", empty where nobody knows."""
        kind, message = printable(self.how.replace("-", " ")), printable(self.message)
        if message.casefold().startswith(kind.casefold()):
            return message[: len(kind)] + place + message[len(kind) :]
        if self.how in (QEMU_EXIT, QEMU_SIGNAL) and message:
            return f"{message}, the guest was{place}" if place else message
        return f"{kind}{place}{message and f': {message}'}"


class Outcome(NamedTuple):
    """The last stage reached and how the run ended: done, died, timeout or interrupted."""

    reached: str | None
    ended: str
    died: Death | None = None
    waited_for: str | None = None
    rip: int | None = None
    symbol: str | None = None


class Document(NamedTuple):
    """`kernel` is null where nobody named its file, `stops` are in the order in which they came."""

    kernel: ImageFacts | None
    machine: MachineFacts
    stops: tuple[Capture, ...]
    outcome: Outcome
