"""The handover of the prototype of 2017: QEMU without firmware, start_info version 0, the map as a module.

The prototype was not published. The patch for the kernel and the discussion say what it passed; addresses are assumed.
"""

from __future__ import annotations

from pvhdbg.abi.e820 import E820_MODULE, RAM, RESERVED, MapEntry
from pvhdbg.vmm_profiles import rust_vmm
from pvhdbg.vmm_profiles.profile import QEMU, Boot, Fact, Layout, Loader, Places, Profile

_EBDA, _ISA_HOLE, _BIOS = 0x9FC00, 0xA0000, 0xF0000
_HIGH_RAM = 0x100000
_MMIO_32 = (0xC0000000, 0x100000000)
_PATCH = "RFC patch of 2017 for arch/x86/xen/enlighten_pvh.c"
_MAIL = "linux-kernel, November 2017"


def _ram(boot: Boot) -> tuple[tuple[int, int], ...]:
    return rust_vmm.split(boot.ram_size, _MMIO_32)


def _places(boot: Boot) -> Places:
    return Places(
        start_info=0x6000,
        modlist=0x6040,
        memmap=0x7000,
        cmdline=0x20000,
        initrd=rust_vmm.top_of(_ram(boot)[0][1], boot),
        rsdp=0xE0000,
        tables=0xE0040,
    )


def _memory_map(boot: Boot) -> tuple[MapEntry, ...]:
    return (
        MapEntry(0, _EBDA, RAM),
        MapEntry(_EBDA, _ISA_HOLE - _EBDA, RESERVED),
        MapEntry(_BIOS, _HIGH_RAM - _BIOS, RESERVED),
        *rust_vmm.high_ram(_ram(boot)),
    )


PROFILE = Profile(
    name="rfc2017",
    title="the 2017 RFC's QEMU",
    version="2017",
    commit="",
    repository="",
    facts=(
        Fact("start_info has version 0: no memmap_paddr and no memmap_entries", _PATCH),
        Fact('module 1 has the map; its command line is exactly "e820 data"', _PATCH),
        Fact("module 0 is the initrd; without an initrd it is empty", _PATCH),
        Fact("the map is a struct e820_table: a count, then entries of 20 bytes", _PATCH),
        Fact("QEMU itself set the state of the CPU, without firmware, on q35", _MAIL),
    ),
    layout=Layout(
        version=0,
        flags=0,
        map_form=E820_MODULE,
        places=_places,
        memory_map=_memory_map,
        cmdline_room=0x10000,
        rsdp_paddr=0,
        cpu=rust_vmm.cpu(0x11),
        tables=rust_vmm.TABLES,
    ),
    loader=Loader(
        QEMU,
        _PATCH,
    ),
    differs=(
        "the prototype was not published: the addresses, the ranges of the map and the CPU state are assumed",
        "the machine was q35 under KVM",
    ),
)
