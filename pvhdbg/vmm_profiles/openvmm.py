"""OpenVMM's handover, as its PVH loader was proposed. The loader is not part of a release."""

from __future__ import annotations

from pvhdbg.abi.e820 import MEMMAP, RAM, MapEntry
from pvhdbg.vmm_profiles import rust_vmm
from pvhdbg.vmm_profiles.cpu_state import Table
from pvhdbg.vmm_profiles.profile import OPENVMM, Boot, Fact, Layout, Loader, Places, Profile

_GDT, _RSDP = 0x800, 0x8000
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
        rsdp=_RSDP,
        tables=_RSDP + 0x1000,
    )


def _memory_map(boot: Boot) -> tuple[MapEntry, ...]:
    return tuple(MapEntry(start, end - start, RAM) for start, end in _ram(boot))


PROFILE = Profile(
    name="openvmm",
    title="OpenVMM (proposed)",
    version="pull request 4464",
    commit="337487681c5c0a706c8663dc34e874656ff4af90",
    repository="github.com/microsoft/openvmm",
    facts=(
        Fact("start_info, the module list, the map and the command line have fixed addresses", "vm/loader/src/pvh.rs"),
        Fact("the map lists each range of RAM, from address 0", "vm/loader/src/pvh.rs"),
        Fact("rsdp_paddr is 0x8000, and the other ACPI tables begin at 0x9000", "vm/loader/src/pvh.rs"),
        Fact("the only module is the initrd, page-aligned at the end of RAM below 4 GiB", "vm/loader/src/pvh.rs"),
        Fact("the command line has at most 65536 bytes with its NUL", "vm/loader/src/pvh.rs"),
        Fact("the GDT is at 0x800; IDTR is 0x820 with limit 0; CR0 is only PE", "vm/loader/src/pvh.rs"),
        Fact("the loader sets ESP to 0, and no general register except EBX and ESP", "vm/loader/src/pvh.rs"),
    ),
    layout=Layout(
        version=1,
        flags=0,
        map_form=MEMMAP,
        places=_places,
        memory_map=_memory_map,
        cmdline_room=0x10000,
        rsdp_paddr=_RSDP,
        cpu=rust_vmm.cpu(0x1)._replace(gdtr=Table(_GDT, 31), idtr=Table(_GDT + 0x20, 0)),
        tables=(rust_vmm.gdt(_GDT),),
    ),
    loader=Loader(
        OPENVMM,
        "vm/loader/src/pvh.rs",
        lowest_segment=1 << 20,
        own_pages=True,
        entry_in_segment=True,
        holes=(_MMIO_32,),
    ),
    differs=(
        "there are no MP tables at 0 and 0x400",
        "the hole in RAM from 3 to 4 GiB is assumed: the machine defines it, not the loader",
        "general registers that the loader does not set are 0",
        "the map has no ranges that the machine reserves in RAM",
    ),
)
