"""libkrun's handover. Since April 2026, it boots an external ELF kernel through PVH if the kernel has the note."""

from __future__ import annotations

from pvhdbg.abi.e820 import MEMMAP, RAM, RESERVED, MapEntry
from pvhdbg.vmm_profiles import rust_vmm
from pvhdbg.vmm_profiles.profile import LINUX_LOADER, Boot, Fact, Layout, Loader, Places, Profile

_MP_TABLE, _BIOS_AREA = 0x9FC00, 0xE0000
_GAP = (0xD0000000, 0x100000000)
_EXTRA = 1
"""The map's last RAM entry has one byte too many: the address after the last byte is used as the last address."""


def _ram(boot: Boot) -> tuple[tuple[int, int], ...]:
    return rust_vmm.split(boot.ram_size, _GAP)


def _places(boot: Boot) -> Places:
    return Places(
        start_info=0x6000,
        modlist=0x6040,
        memmap=0x7000,
        cmdline=0x20000,
        initrd=None if boot.initrd_size is None else _ram(boot)[-1][1] - boot.initrd_size,
        rsdp=None,
        tables=None,
    )


def _memory_map(boot: Boot) -> tuple[MapEntry, ...]:
    *others, last = rust_vmm.high_ram(_ram(boot))
    extra = 0 if last.end == _GAP[0] else _EXTRA
    return (
        MapEntry(0, _MP_TABLE, RAM),
        MapEntry(_MP_TABLE, _BIOS_AREA - _MP_TABLE, RESERVED),
        *others,
        last._replace(size=last.size + extra),
    )


PROFILE = Profile(
    name="libkrun",
    title="libkrun",
    version="1.18.0",
    commit="6ed74facc26d857e57a6a952635eb2890d87b99c",
    repository="github.com/containers/libkrun",
    facts=(
        Fact("start_info, the module list, the map and the command line have fixed addresses", "src/arch: layout.rs"),
        Fact("the map lists low RAM and the reserved range to 0xe0000, then the other RAM", "src/arch: mod.rs"),
        Fact("RAM is interrupted for the last 768 MiB below 4 GiB", "src/arch: layout.rs, mod.rs"),
        Fact("the last RAM entry is one byte too long", "src/arch: mod.rs"),
        Fact("rsdp_paddr is 0, and there are no ACPI tables", "src/arch: mod.rs"),
        Fact("the only module is the initrd, at the end of RAM, not page-aligned", "src/arch: mod.rs"),
        Fact("the command line has at most 65536 bytes with its NUL", "src/arch: layout.rs; src/vmm: builder.rs"),
        Fact("CR0 is PE and ET; GDTR, IDTR, the segments and TR are set, LDTR is not", "src/arch: regs.rs"),
        Fact("all general registers except EBX are 0, also ESP", "src/arch: linux/regs.rs"),
    ),
    layout=Layout(
        version=1,
        flags=0,
        map_form=MEMMAP,
        places=_places,
        memory_map=_memory_map,
        cmdline_room=0x10000,
        rsdp_paddr=0,
        cpu=rust_vmm.cpu(0x11),
        tables=rust_vmm.TABLES,
    ),
    loader=Loader(
        LINUX_LOADER,
        "src/vmm/src/builder.rs, load_external_kernel",
        without_note="it enters the kernel at e_entry via the Linux boot protocol",
        holes=(_GAP,),
    ),
    differs=("there is no MP table at 0x9fc00",),
)
