"""Cloud Hypervisor's handover. PVH is its only way to boot an ELF kernel."""

from __future__ import annotations

from pvhdbg.abi.e820 import MEMMAP, RAM, RESERVED, MapEntry
from pvhdbg.vmm_profiles import rust_vmm
from pvhdbg.vmm_profiles.profile import LINUX_LOADER, Boot, Fact, Layout, Loader, Placed, Places, Profile

_EBDA, _MMCONFIG = 0xA0000, 0xE8000000
_MMIO_32 = (0xC0000000, 0x100000000)


def _ram(boot: Boot) -> tuple[tuple[int, int], ...]:
    return rust_vmm.split(boot.ram_size, _MMIO_32)


def _places(boot: Boot) -> Places:
    return Places(
        start_info=0x6000,
        modlist=0x6040,
        memmap=0x7000,
        cmdline=0x20000,
        initrd=rust_vmm.top_of(_ram(boot)[0][1], boot),
        rsdp=_EBDA,
        tables=_EBDA + 0x40,
    )


def _memory_map(boot: Boot) -> tuple[MapEntry, ...]:
    return (
        MapEntry(0, _EBDA, RAM),
        *rust_vmm.high_ram(_ram(boot)),
        MapEntry(_MMCONFIG, 256 << 20, RESERVED),
    )


PROFILE = Profile(
    name="cloud-hypervisor",
    title="Cloud Hypervisor",
    version="54.0.0",
    commit="ae44c2971c83dd2b1bd704fa81102ec0dec4e7d4",
    repository="github.com/cloud-hypervisor/cloud-hypervisor",
    facts=(
        Fact("start_info, the module list, the map and the command line have fixed addresses", "arch: layout.rs"),
        Fact("the map begins with RAM to 0xa0000 and ends with PCI configuration space", "arch: mod.rs"),
        Fact("RAM is interrupted from 3 to 4 GiB", "arch: layout.rs, mod.rs"),
        Fact("0xa0000 to 1 MiB is not listed, although the RSDP and SMBIOS are there", "arch: layout.rs, mod.rs"),
        Fact("rsdp_paddr is 0xa0000; the word at 0x40e gives the same address as the EBDA", "arch: layout.rs, mod.rs"),
        Fact("the only module is the initrd, page-aligned at the end of the first RAM", "arch: mod.rs"),
        Fact("the command line has at most 65536 bytes with its NUL", "arch: layout.rs"),
        Fact("CR0 is only PE; GDTR, IDTR, the segments and TR are set, LDTR is not", "arch: regs.rs"),
        Fact("all general registers except EBX are 0, also ESP", "arch: regs.rs"),
    ),
    layout=Layout(
        version=1,
        flags=0,
        map_form=MEMMAP,
        places=_places,
        memory_map=_memory_map,
        cmdline_room=0x10000,
        rsdp_paddr=_EBDA,
        cpu=rust_vmm.cpu(0x1),
        tables=(*rust_vmm.TABLES, Placed("EBDA pointer", 0x40E, (_EBDA >> 4).to_bytes(2, "little"))),
    ),
    loader=Loader(
        LINUX_LOADER,
        "vmm/src/vm.rs, load_kernel",
        lowest_e_entry=1 << 20,
        holes=(_MMIO_32,),
    ),
    differs=("there is no SMBIOS entry point and no MP table at 0xf0000",),
)
