"""gokvm's handover. It passes no command line without an initrd, and an rsdp_paddr where no RSDP is."""

from __future__ import annotations

from pvhdbg.abi.e820 import MEMMAP, RAM, MapEntry
from pvhdbg.vmm_profiles import rust_vmm
from pvhdbg.vmm_profiles.cpu_state import Table
from pvhdbg.vmm_profiles.profile import GOKVM, NOT_PVH, Boot, Fact, Layout, Loader, Placed, Places, Profile

_EBDA, _HIGH_RAM, _INITRD = 0x9FC00, 0x100000, 0xF000000


def _places(boot: Boot) -> Places:
    return Places(
        start_info=0x6000,
        modlist=0x6040,
        memmap=0x7000,
        cmdline=0x20000,
        initrd=None if boot.initrd_size is None else _INITRD,
        rsdp=None,
        tables=None,
    )


def _memory_map(boot: Boot) -> tuple[MapEntry, ...]:
    return MapEntry(0, _EBDA, RAM), MapEntry(_HIGH_RAM, boot.ram_size - _HIGH_RAM, RAM)


PROFILE = Profile(
    name="gokvm",
    title="gokvm",
    version="0.0.7-247",
    commit="cef5f617eb00a5d026ed258b9e0440275d886f2b",
    repository="github.com/bobuhiro11/gokvm",
    facts=(
        Fact("start_info, the module list, the map and the command line have fixed addresses", "pvh/memory_layout.go"),
        Fact("the map has two entries, both RAM", "machine/machine.go"),
        Fact("rsdp_paddr is 0x9fc00, where the EBDA has an MP table and no RSDP", "machine/machine.go"),
        Fact("the only module is the initrd, at 240 MiB", "machine/machine.go"),
        Fact("the command line is copied only with an initrd; its address is always passed", "machine/machine.go"),
        Fact("the word at 0x40e gives the address of the EBDA", "machine/machine.go"),
        Fact("CR0 is only PE; IDTR has limit 8; the segments and TR are set", "pvh/pvhboot.go, pvh/gdt.go"),
        Fact("general registers other than EBX are as KVM leaves them", "pvh/pvhboot.go"),
    ),
    layout=Layout(
        version=1,
        flags=0,
        map_form=MEMMAP,
        places=_places,
        memory_map=_memory_map,
        cmdline_room=None,
        rsdp_paddr=_EBDA,
        cpu=rust_vmm.cpu(0x1)._replace(idtr=Table(rust_vmm.IDT, 8), general=rust_vmm.AFTER_KVM_RESET),
        tables=(rust_vmm.gdt(rust_vmm.GDT), Placed("EBDA pointer", 0x40E, (_EBDA >> 4).to_bytes(4, "little"))),
        has_cmdline=lambda boot: boot.initrd_size is not None,
    ),
    loader=Loader(
        GOKVM,
        "pvh/pvhboot.go, machine/machine.go",
        without_note=NOT_PVH,
        before=("the GDT", "the IDT", "the EBDA pointer"),
    ),
    differs=("there is no MP table in the EBDA at 0x9fc00",),
)
