"""What Firecracker, Cloud Hypervisor and libkrun share: the GDT at 0x500, an IDT of one entry, and flat segments.

Each profile names the source that says so for its VMM.
"""

from __future__ import annotations

from pvhdbg.abi.e820 import MapEntry
from pvhdbg.vmm_profiles.cpu_state import RESET_LDTR, CpuState, Segment, Table
from pvhdbg.vmm_profiles.profile import Boot, Placed

GDT, IDT = 0x500, 0x520
_4G = 0xFFFFFFFF
CODE = Segment(0x8, 0, _4G, 0xC09B00)
DATA = Segment(0x10, 0, _4G, 0xC09300)
TSS = Segment(0x18, 0, 0x67, 0x8B00)
PAGE = 0x1000

TABLES = (
    Placed(
        "GDT",
        GDT,
        b"".join(value.to_bytes(8, "little") for value in (0, CODE.descriptor, DATA.descriptor, TSS.descriptor)),
    ),
    Placed("IDT", IDT, bytes(8)),
)


def cpu(cr0: int) -> CpuState:
    """Return the CPU state; the VMMs differ only in CR0."""
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
    return None if boot.initrd_size is None else (ram_end - boot.initrd_size) & -PAGE


def high_ram(parts: tuple[tuple[int, int], ...], kind: int) -> tuple[MapEntry, ...]:
    """Return map entries for parts of RAM, each a start and an end. The first begins at 1 MiB instead of at 0."""
    starts = ((max(start, 1 << 20), end) for start, end in parts)
    return tuple(MapEntry(start, end - start, kind) for start, end in starts if start < end)
