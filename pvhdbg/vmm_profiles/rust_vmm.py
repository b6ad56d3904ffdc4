"""What most VMMs that follow the rust-vmm reference share: the GDT, the flat segments, the place of the initrd.

Each profile names the source that says so for its VMM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import RAM, MapEntry
from pvhdbg.vmm_profiles.cpu_state import RESET_LDTR, CpuState, Segment, Table
from pvhdbg.vmm_profiles.profile import Placed

if TYPE_CHECKING:
    from pvhdbg.vmm_profiles.profile import Boot

GDT, IDT = 0x500, 0x520
_4G = 0xFFFFFFFF
CODE = Segment(0x8, 0, _4G, 0xC09B00)
DATA = Segment(0x10, 0, _4G, 0xC09300)
TSS = Segment(0x18, 0, 0x67, 0x8B00)
_FIRST_MIB = 1 << 20
AFTER_KVM_RESET = {"rdx": 0x600}
"""EDX after KVM has created a CPU, before CPUID is set. A VMM that sets only some registers leaves it so.

Source: Linux arch/x86/kvm/x86.c, kvm_vcpu_reset.
"""


def gdt(paddr: int) -> Placed:
    descriptors = (0, CODE.descriptor, DATA.descriptor, TSS.descriptor)
    return Placed("GDT", paddr, b"".join(value.to_bytes(8, "little") for value in descriptors))


TABLES = (gdt(GDT), Placed("IDT", IDT, bytes(8)))


def cpu(cr0: int) -> CpuState:
    """Return the CPU state. The VMMs differ in CR0; some replace more of it."""
    return CpuState(
        cr0=cr0,
        cr4=0,
        efer=0,
        eflags=2,
        cs=CODE,
        ds=DATA,
        es=DATA,
        ss=DATA,
        fs=DATA,
        gs=DATA,
        tr=TSS,
        ldtr=RESET_LDTR,
        gdtr=Table(GDT, 31),
        idtr=Table(IDT, 7),
        general={},
    )


def top_of(ram_end: int, boot: Boot) -> int | None:
    """Return the address of the initrd: aligned down to a page, at the end of the first region of RAM."""
    return None if boot.initrd_size is None else (ram_end - boot.initrd_size) & -0x1000


def split(size: int, *holes: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Return the parts of RAM of this size, each a start and an end, if RAM is interrupted by `holes`."""
    parts: list[tuple[int, int]] = []
    start = 0
    for hole_start, hole_end in holes:
        if size <= hole_start - start:
            break
        parts.append((start, hole_start))
        size -= hole_start - start
        start = hole_end
    return (*parts, (start, start + size))


def high_ram(parts: tuple[tuple[int, int], ...]) -> tuple[MapEntry, ...]:
    """Return map entries for parts of RAM. The first begins at 1 MiB instead of at 0."""
    starts = ((max(start, _FIRST_MIB), end) for start, end in parts)
    return tuple(MapEntry(start, end - start, RAM) for start, end in starts if start < end)
