"""The state of the boot CPU at the entry, as a VMM sets it.

Source: Intel SDM volume 3, 3.4.5 (segment descriptors) and 7.2 (TSS descriptors).
"""

from __future__ import annotations

from collections.abc import Mapping

from pvhdbg.named_tuple import NamedTuple

GRANULARITY = 1 << 23
"""The flag of a segment whose limit counts pages."""
_GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")


class Segment(NamedTuple):
    """A segment register: the selector, and the hidden state that the CPU uses.

    `limit` is in bytes. `flags` are the bits 8 to 15 and 20 to 23 of the descriptor's second word, as QEMU shows them.
    """

    selector: int
    base: int
    limit: int
    flags: int

    @property
    def descriptor(self) -> int:
        """The descriptor in a GDT from which a CPU loads this hidden state."""
        limit = self.limit >> 12 if self.flags & GRANULARITY else self.limit
        low = limit & 0xFFFF | (self.base & 0xFFFF) << 16
        return low | (self.base >> 16 & 0xFF | self.flags | limit & 0xF0000 | self.base & 0xFF000000) << 32

    @property
    def is_usable(self) -> bool:
        """Whether the segment can be used: its descriptor is present."""
        return bool(self.flags & 0x8000)


UNUSABLE = Segment(0, 0, 0, 0)
RESET_LDTR = Segment(0, 0, 0xFFFF, 0x8200)
"""LDTR after a reset. A VMM that sets no LDTR leaves it so."""
RESET_TR = Segment(0, 0, 0xFFFF, 0x8B00)
"""TR after a reset."""


class Table(NamedTuple):
    """GDTR or IDTR."""

    base: int
    limit: int


class CpuState(NamedTuple):
    """The registers at the entry, except RIP. `general` has the general registers that are not 0, by 64-bit name."""

    cr0: int
    cr4: int
    efer: int
    eflags: int
    cs: Segment
    ds: Segment
    es: Segment
    ss: Segment
    fs: Segment
    gs: Segment
    tr: Segment
    ldtr: Segment
    gdtr: Table
    idtr: Table
    general: Mapping[str, int]

    @property
    def segments(self) -> dict[str, Segment]:
        """The six segment registers that a program loads with `mov`, and CS, by name."""
        return {name: getattr(self, name) for name in ("cs", "ds", "es", "ss", "fs", "gs")}

    @property
    def general_registers(self) -> dict[str, int]:
        """The eight general registers of 32-bit code, by 64-bit name, in the order of the instruction encoding."""
        return {name: self.general.get(name, 0) for name in _GENERAL}
