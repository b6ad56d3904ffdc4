"""Firecracker's handover. It boots through PVH since version 1.12 if the kernel has the note."""

from __future__ import annotations

from pvhdbg.abi.e820 import MEMMAP, RAM, RESERVED, MapEntry
from pvhdbg.vmm_profiles import rust_vmm
from pvhdbg.vmm_profiles.profile import Boot, Fact, Layout, Places, Profile

_RSDP = 0xE0000
_SYSTEM_MEMORY = 0x9FC00
_MMIO_32 = (0xC0000000, 0x100000000)
_MMIO_64 = (256 << 30, 512 << 30)
_MMCONFIG = 0xEEC00000


def ram(size: int) -> tuple[tuple[int, int], ...]:
    """Return the parts of RAM: it is interrupted at 3 GiB for 1 GiB, and at 256 GiB for 256 GiB."""
    parts = []
    start, rest = 0, size
    for hole_start, hole_end in (_MMIO_32, _MMIO_64):
        end = min(start + rest, hole_start)
        parts.append((start, end))
        rest -= end - start
        start = hole_end
    return (*parts, (start, start + rest)) if rest else tuple(part for part in parts if part[0] < part[1])


def places(boot: Boot) -> Places:
    return Places(
        start_info=0x6000,
        modlist=0x6040,
        memmap=0x7000,
        cmdline=0x20000,
        initrd=rust_vmm.top_of(ram(boot.ram_size)[0][1], boot),
        rsdp=_RSDP,
        tables=_SYSTEM_MEMORY,
    )


def memory_map(boot: Boot) -> tuple[MapEntry, ...]:
    return (
        MapEntry(0, _SYSTEM_MEMORY, RAM),
        MapEntry(_SYSTEM_MEMORY, _RSDP - _SYSTEM_MEMORY, RESERVED),
        MapEntry(_MMCONFIG, 256 << 20, RESERVED),
        *rust_vmm.high_ram(ram(boot.ram_size), RAM),
    )


PROFILE = Profile(
    name="firecracker",
    title="Firecracker",
    version="1.17.0-dev",
    commit="81b38b9dad6056d7a48073e95ac5a9aed51cb2ab",
    facts=(
        Fact("the addresses of start_info, the module list, the map and the command line", "layout.rs"),
        Fact("the map: low RAM, system memory, PCI configuration space, then the other RAM", "mod.rs"),
        Fact("rsdp_paddr is 0, although the RSDP is at 0xe0000", "mod.rs"),
        Fact("the only module is the initrd, page-aligned at the end of the first RAM", "mod.rs"),
        Fact("the command line has at most 2048 bytes with its NUL", "layout.rs"),
        Fact("CR0 is PE and ET; GDT, IDT, segments and TR are set; all general registers except EBX are 0", "regs.rs"),
    ),
    layout=Layout(
        version=1,
        flags=0,
        map_form=MEMMAP,
        places=places,
        memory_map=memory_map,
        cmdline_room=2048,
        rsdp_paddr=False,
        cpu=rust_vmm.cpu(0x11),
        tables=rust_vmm.TABLES,
    ),
    differs=("there is no MP table at 0x9fc00",),
)
