"""A whole run, which is what a recording contains: the kernel, the machine, every stop and the outcome."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target.base import QEMU_EXIT, QEMU_SIGNAL, TRIPLE_FAULT
from pvhdbg.target.monitor import POWERED_OFF

if TYPE_CHECKING:
    from pvhdbg.boot.record.trace import Trace
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.who.answer import Answer
    from pvhdbg.image.facts import ImageFacts

ENDS = DONE, DEAD, TIMED_OUT, INTERRUPTED, REFUSED = "done", "died", "timeout", "interrupted", "refused"
"""How a run ended. If it was refused, pvhdbg started nothing."""
PANICKED, HALTED, RESET, CONSOLE, TIME = "panicked", "halted", "reset", "console", "time"
RUNAWAY = "runaway"
"""The guest executes memory that has only zero bytes, so there is no code."""
WATCH_ENDS = {
    DEAD: "died",
    PANICKED: "the kernel panicked",
    HALTED: "the guest halted",
    RESET: "the guest was reset",
    CONSOLE: "the kernel started its console",
    RUNAWAY: "the guest executes zero bytes",
    TIME: "still running",
}
"""How a guest ended, or why pvhdbg stopped watching it, and a description of that."""
RESET_AFTER_PANIC = "the machine was reset after the kernel panicked"
"""The beginning of a death's message if Linux reset the machine. QEMU reports this like a triple fault."""

_RAM = pattern(r"(?:size=)?(\d{1,12})([KMGT]?)", re.ASCII | re.IGNORECASE)
_UNITS = {"K": 10, "": 20, "M": 20, "G": 30, "T": 40}


class Rewrite(NamedTuple):
    """Bytes that pvhdbg changed at the entry stop. `path` is the path of the changed value in the JSON document."""

    path: str
    paddr: int
    before: bytes
    after: bytes


TRANSPLANT = "transplant"
"""The name in VmmFacts of a handover that a recording has. The version is the path of the recording."""


class LostWrite(NamedTuple):
    """The guest's first write to memory that the VMM does not have: the bytes, and where the guest then was.

    `rip` is the address of the instruction after the one that wrote, `symbol` the same as symbol+offset.
    """

    paddr: int
    data: bytes
    rip: int
    symbol: str | None


class VmmFacts(NamedTuple):
    """The VMM whose handover pvhdbg reproduced: its name, the version of its source, and what was not made exact.

    `lost_write` is None if the guest wrote only to memory that the VMM has, as far as pvhdbg saw.
    """

    name: str
    version: str
    differs: tuple[str, ...]
    lost_write: LostWrite | None = None


class XenFacts(NamedTuple):
    """The Xen that started the kernel as its dom0: its file, and its version, empty if Xen did not print it."""

    image: str
    version: str


class MachineFacts(NamedTuple):
    """The machine that ran the guest. `argv` is QEMU's command line, `initrd_size` the size of the initrd in bytes.

    `vmm` is None if the guest got what QEMU handed over. `xen` is None if QEMU itself started the guest.
    If pvhdbg did not start the machine, every value is None or empty.
    """

    qemu: str | None = None
    machine: str | None = None
    accel: str | None = None
    cpu: str | None = None
    memory: str | None = None
    append: str | None = None
    initrd: str | None = None
    argv: tuple[str, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    initrd_size: int | None = None
    vmm: VmmFacts | None = None
    xen: XenFacts | None = None


def ram_size(memory: str | None) -> int | None:
    """Return the size in bytes that a value of QEMU's `-m` specifies: a number of MiB, or a number with a unit.

    Return None if the value has other options in addition to the size, such as maxmem.
    """
    match = _RAM.fullmatch(memory or "")
    return int(match[1]) << _UNITS[match[2].upper()] if match else None


class Death(NamedTuple):
    """How a guest died. `how` is triple-fault, kvm-internal-error, qemu-exit or qemu-signal.

    `message` is QEMU's last message, or a description of the death.
    """

    how: str
    rip: int | None
    symbol: str | None
    message: str

    @property
    def is_triple_fault(self) -> bool:
        return self.how == TRIPLE_FAULT

    def describe(self, location: str) -> str:
        """Return one line that is safe to print. `location` is " at …", or empty if the location is not known."""
        kind, message = printable(self.how.replace("-", " ")), printable(self.message)
        if message.casefold().startswith(kind.casefold()):
            return message[: len(kind)] + location + message[len(kind) :]
        if message.startswith(RESET_AFTER_PANIC) or (self.how in (QEMU_EXIT, QEMU_SIGNAL) and message):
            return f"{message}, the guest was{location}" if location else message
        return f"{kind}{location}{message and f': {message}'}"


class Watched(NamedTuple):
    """What the guest did after the last stage, and how pvhdbg stopped watching it: `ended` is one of WATCH_ENDS.

    `ms` is how long pvhdbg watched it, in milliseconds. `rip` and `symbol` are where the guest was; after a panic,
    where it called the function panic, or None without symbols. `message` is the text of the panic, or a description of
    the end; it may be empty. `serial` and `log` have the last lines of the serial console and of the kernel's own log,
    in latin-1; `log` is None if it could not be read.
    """

    ended: str
    ms: int
    rip: int | None
    symbol: str | None
    message: str = ""
    serial: tuple[str, ...] = ()
    log: tuple[str, ...] | None = None

    @property
    def lacks_root(self) -> bool:
        """Whether Linux panicked only because it has no root file system or no init."""
        from pvhdbg.boot.log import problems

        return self.ended == PANICKED and problems.lacks_root(self.message)

    @property
    def has_powered_off(self) -> bool:
        """Whether the guest powered the machine off, as `message` says. Another guest that halted executed `hlt`."""
        return self.ended == HALTED and self.message == POWERED_OFF

    @property
    def has_failed(self) -> bool:
        """Whether this end is the fault of the guest or its image."""
        return self.ended in (DEAD, RESET, RUNAWAY) or (self.ended == PANICKED and not self.lacks_root)


class Outcome(NamedTuple):
    """The last stage reached, and how the run ended: one of ENDS.

    `waited_for`, `rip` and `symbol` are only set after a timeout: the stage that was not reached, and where the guest
    was. `watched` is None if pvhdbg did not watch the guest after the last stage.
    """

    reached: str | None
    ended: str
    died: Death | None = None
    waited_for: str | None = None
    rip: int | None = None
    symbol: str | None = None
    watched: Watched | None = None

    @property
    def early_end(self) -> str | None:
        """How the guest ended before it reached a stage: HALTED, PANICKED or RUNAWAY. None if it did not.

        If it did, pvhdbg did not wait for the timeout.
        """
        return self.watched.ended if self.ended == TIMED_OUT and self.watched is not None else None


class Document(NamedTuple):
    """A whole run. `kernel` is None if no kernel file was given; `stops` are in chronological order.

    `who` is what `who` found out about the writers and readers of boot data; None if it was not asked. `who_ended` is
    how the guest died while `who` observed it; None if it did not. `trace` has every
    instruction, if they were recorded.
    """

    kernel: ImageFacts | None
    machine: MachineFacts
    stops: tuple[Capture, ...]
    outcome: Outcome
    who: tuple[Answer, ...] | None = None
    who_ended: str | None = None
    trace: Trace | None = None
