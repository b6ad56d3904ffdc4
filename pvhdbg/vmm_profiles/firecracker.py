"""Firecracker's handover. Since version 1.12, it boots a kernel through PVH if the kernel has the note."""

from __future__ import annotations

from pvhdbg.abi.e820 import MEMMAP, RAM, RESERVED, MapEntry
from pvhdbg.vmm_profiles import rust_vmm
from pvhdbg.vmm_profiles.profile import LINUX_LOADER, Boot, Fact, Layout, Loader, Places, Profile

_RSDP, _SYSTEM_MEMORY, _MMCONFIG = 0xE0000, 0x9FC00, 0xEEC00000
_MMIO_32 = (0xC0000000, 0x100000000)
_MMIO_64 = (256 << 30, 512 << 30)


def _ram(boot: Boot) -> tuple[tuple[int, int], ...]:
    return rust_vmm.split(boot.ram_size, _MMIO_32, _MMIO_64)


def _places(boot: Boot) -> Places:
    return Places(
        start_info=0x6000,
        modlist=0x6040,
        memmap=0x7000,
        cmdline=0x20000,
        initrd=rust_vmm.top_of(_ram(boot)[0][1], boot),
        rsdp=_RSDP,
        tables=_SYSTEM_MEMORY,
    )


def _memory_map(boot: Boot) -> tuple[MapEntry, ...]:
    return (
        MapEntry(0, _SYSTEM_MEMORY, RAM),
        MapEntry(_SYSTEM_MEMORY, _RSDP - _SYSTEM_MEMORY, RESERVED),
        MapEntry(_MMCONFIG, 256 << 20, RESERVED),
        *rust_vmm.high_ram(_ram(boot)),
    )


PROFILE = Profile(
    name="firecracker",
    title="Firecracker",
    version="1.17.0-dev",
    commit="81b38b9dad6056d7a48073e95ac5a9aed51cb2ab",
    repository="github.com/firecracker-microvm/firecracker",
    facts=(
        Fact("start_info, the module list, the map and the command line have fixed addresses", "layout.rs"),
        Fact("the map lists low RAM, system memory and PCI configuration space, then the other RAM", "mod.rs"),
        Fact("RAM is interrupted from 3 to 4 GiB and from 256 to 512 GiB", "layout.rs, mod.rs"),
        Fact("rsdp_paddr is 0, although the RSDP is at 0xe0000: guests must search for it", "layout.rs, mod.rs"),
        Fact("the only module is the initrd, page-aligned at the end of the first RAM", "mod.rs"),
        Fact("the command line has at most 2048 bytes with its NUL", "layout.rs"),
        Fact("CR0 is PE and ET; GDTR, IDTR, the segments and TR are set, LDTR is not", "regs.rs, gdt.rs"),
        Fact("all general registers except EBX are 0, also ESP", "regs.rs"),
    ),
    layout=Layout(
        version=1,
        flags=0,
        map_form=MEMMAP,
        places=_places,
        memory_map=_memory_map,
        cmdline_room=2048,
        rsdp_paddr=0,
        cpu=rust_vmm.cpu(0x11),
        tables=rust_vmm.TABLES,
    ),
    loader=Loader(
        LINUX_LOADER,
        "mod.rs, load_kernel",
        without_note="it enters the kernel at e_entry via the Linux boot protocol",
        lowest_e_entry=1 << 20,
        holes=(_MMIO_32, _MMIO_64),
    ),
    differs=("there is no MP table at 0x9fc00",),
)
