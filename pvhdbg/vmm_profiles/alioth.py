"""Alioth's handover: start_info, the module list and the map are in one page, and the segments end at 256 MiB."""

from __future__ import annotations

from pvhdbg.abi.e820 import MEMMAP, RAM, RESERVED, MapEntry
from pvhdbg.vmm_profiles import rust_vmm
from pvhdbg.vmm_profiles.cpu_state import Segment, Table
from pvhdbg.vmm_profiles.profile import ALIOTH, Boot, Fact, Layout, Loader, Placed, Places, Profile

_START_INFO, _EBDA, _EBDA_END, _ACPI = 0x1000, 0x80000, 0xA0000, 3
_BIOS_DATA_END, _PCIE_CONFIG = 0x500, 0xE0000000
_RAM_HOLE = (2 << 30, 4 << 30)
_LIMIT = 0x0FFFFFFF
_CODE = Segment(0x10, 0, _LIMIT, 0xC09B00)
_DATA = Segment(0x18, 0, _LIMIT, 0xC09300)
_TSS = Segment(0x20, 0, 0x67, 0x8B00)
_LDT = Segment(0x28, 0, 0, 0x8200)
_BYTES_OF_LIMIT = 0xFFFFF
"""The limit that the GDT's descriptors have: the low 20 bits of the limit in bytes, without a division by 4096."""


def _ram(boot: Boot) -> tuple[tuple[int, int], ...]:
    return rust_vmm.split(boot.ram_size, _RAM_HOLE)


def _places(boot: Boot) -> Places:
    return Places(
        start_info=_START_INFO,
        modlist=_START_INFO + 56,
        memmap=_START_INFO + 56 + 32,
        cmdline=0x2000,
        initrd=rust_vmm.top_of(_ram(boot)[0][1], boot),
        rsdp=_EBDA,
        tables=_EBDA + 0x40,
    )


def _memory_map(boot: Boot) -> tuple[MapEntry, ...]:
    (_, low_end), *high = _ram(boot)
    return (
        MapEntry(0, _BIOS_DATA_END, RESERVED),
        MapEntry(_BIOS_DATA_END, _EBDA - _BIOS_DATA_END, RAM),
        MapEntry(_EBDA, _EBDA_END - _EBDA, _ACPI),
        MapEntry(_EBDA_END, low_end - _EBDA_END, RAM),
        MapEntry(_PCIE_CONFIG, 256 << 20, RESERVED),
        *(MapEntry(start, end - start, RAM) for start, end in high),
    )


def _descriptor(segment: Segment) -> int:
    """Return the descriptor as Alioth writes it: it does not divide the limit if the unit is 4096 bytes."""
    low_bits = segment.limit & _BYTES_OF_LIMIT
    is_in_pages = segment.flags >> 23
    return segment._replace(limit=low_bits << 12 | 0xFFF if is_in_pages else low_bits).descriptor


_GDT = b"".join(value.to_bytes(8, "little") for value in (0, 0, *map(_descriptor, (_CODE, _DATA, _TSS, _LDT))))

PROFILE = Profile(
    name="alioth",
    title="Alioth",
    version="0.12.0",
    commit="c78f8bd5160ea25935eb1cbeb3cc033c5ad1cc74",
    repository="github.com/google/alioth",
    facts=(
        Fact("start_info, one module and up to 32 map entries are in the page at 0x1000", "loader/xen/xen.rs"),
        Fact("the map lists all regions by address, also the ACPI tables as type ACPI", "board_amd64.rs, board.rs"),
        Fact("RAM is interrupted from 2 to 4 GiB; the ISA range is listed as RAM", "board_amd64.rs, layout.rs"),
        Fact("rsdp_paddr is 0x80000", "loader/xen/xen.rs, layout.rs"),
        Fact("the only module is the initrd, page-aligned at the end of RAM below 2 GiB", "loader/loader.rs"),
        Fact("the command line has at most 4096 bytes with its NUL, at 0x2000", "loader/xen/xen.rs, layout.rs"),
        Fact("the segments' limit is 256 MiB; the ABI requires 4 GiB", "loader/xen/xen.rs"),
        Fact("the selectors are 0x10, 0x18, TR 0x20, LDTR 0x28; IDTR is 0 with limit 0", "loader/xen/xen.rs"),
        Fact("CR0 is only PE; general registers other than EBX are as KVM leaves them", "loader/xen/xen.rs, vcpu"),
    ),
    layout=Layout(
        version=1,
        flags=0,
        map_form=MEMMAP,
        places=_places,
        memory_map=_memory_map,
        cmdline_room=0x1000,
        rsdp_paddr=_EBDA,
        cpu=rust_vmm.cpu(0x1)._replace(
            cs=_CODE,
            ds=_DATA,
            es=_DATA,
            ss=_DATA,
            fs=_DATA,
            gs=_DATA,
            tr=_TSS,
            ldtr=_LDT,
            gdtr=Table(rust_vmm.GDT, len(_GDT) - 1),
            idtr=Table(0, 0),
            general=rust_vmm.AFTER_KVM_RESET,
        ),
        tables=(Placed("GDT", rust_vmm.GDT, _GDT),),
    ),
    loader=Loader(
        ALIOTH,
        "loader/xen/xen.rs",
        every_segment=True,
        holes=(_RAM_HOLE,),
    ),
)
