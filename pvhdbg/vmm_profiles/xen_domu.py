"""Xen's handover to a PVH guest, as libxl and libxenguest build it."""

from __future__ import annotations

from pvhdbg.abi.alignment import align_up
from pvhdbg.abi.e820 import MEMMAP, RAM, RESERVED, MapEntry
from pvhdbg.vmm_profiles import xen
from pvhdbg.vmm_profiles.profile import XEN, Boot, Fact, Layout, Loader, Places, Profile

_NVS = 4
_START_INFO_SIZE, _MODULE_SIZE, _MOST_MODULES, _MODULE_CMDLINE, _MAP_ENTRY = 56, 32, 2, 1024, 24
_RSDP, _RSDP_SIZE = 0xFFFC0, 64
_SPECIAL_PAGES = (0xFEFF8000, 0x8000)
_ACPI_INFO, _ACPI_TABLES, _ACPI_TABLE_PAGES = 0xFC000000, 0xFC001000, 7
_MMIO_START, _4G = 0xFC000000, 1 << 32


def _cmdline_size(boot: Boot) -> int:
    return align_up(boot.cmdline_size, 8) if boot.cmdline_size > 1 else 0


def _places(boot: Boot) -> Places:
    at = xen.page_end(boot.kernel[1])
    initrd = at
    if boot.maps_initrd and boot.initrd_size is not None:
        at = xen.page_end(at + boot.initrd_size)
    start_info = at
    cmdline = start_info + _START_INFO_SIZE
    modlist = cmdline + _cmdline_size(boot)
    memmap = modlist + _MOST_MODULES * (_MODULE_SIZE + _MODULE_CMDLINE)
    if not boot.maps_initrd:
        initrd = xen.page_end(memmap + len(_memory_map(boot)) * _MAP_ENTRY)
    return Places(
        start_info=start_info,
        modlist=modlist,
        memmap=memmap,
        cmdline=cmdline,
        initrd=None if boot.initrd_size is None else initrd,
        rsdp=_RSDP,
        tables=0xF0000,
    )


def _memory_map(boot: Boot) -> tuple[MapEntry, ...]:
    low_end = min(boot.ram_size, _MMIO_START)
    high = boot.ram_size - low_end
    return (
        MapEntry(0, low_end, RAM),
        MapEntry(*_SPECIAL_PAGES, RESERVED),
        MapEntry(_RSDP & -xen.PAGE, _RSDP_SIZE + _RSDP % xen.PAGE, _NVS),
        MapEntry(_ACPI_INFO, xen.PAGE, _NVS),
        MapEntry(_ACPI_TABLES, _ACPI_TABLE_PAGES * xen.PAGE, _NVS),
        *([MapEntry(_4G, high, RAM)] if high else []),
    )


PROFILE = Profile(
    name="xen-domu",
    title="Xen, a PVH guest",
    version=xen.VERSION,
    commit=xen.COMMIT,
    repository=xen.REPOSITORY,
    facts=(
        Fact("start_info begins a page after the kernel", "tools/libs/guest/xg_dom_x86.c, xg_dom_core.c"),
        Fact("the command line follows it, then two modules, their command lines, and the map", "xg_dom_x86.c"),
        Fact("the initrd is after start_info if the kernel has the note MOD_START_PFN, else before", "xg_dom_core.c"),
        Fact(
            "the map lists RAM from 0 without the ISA hole, unsorted; ACPI tables as NVS",
            "libxl_x86.c",
        ),
        Fact("the RSDP of a Linux without linux_rsdp_unrestricted is at 0xfffc0", "tools/libs/light/libxl_x86_acpi.c"),
        Fact("without a command line, cmdline_paddr is 0", "xg_dom_x86.c"),
        Fact("all selectors are 0, GDTR and IDTR are 0; the hidden segments are flat", "xg_dom_x86.c"),
        Fact("FS, GS and LDTR are not usable", "xg_dom_x86.c"),
        Fact("CR0 is PE and ET; all general registers except EBX are 0, also ESP", "xg_dom_x86.c"),
    ),
    layout=Layout(
        version=1,
        flags=0,
        map_form=MEMMAP,
        places=_places,
        memory_map=_memory_map,
        cmdline_room=None,
        rsdp_paddr=_RSDP,
        cpu=xen.CPU,
        has_cmdline=lambda boot: boot.cmdline_size > 1,
        points_to_cmdline=lambda boot: boot.cmdline_size > 1,
    ),
    loader=Loader(
        XEN,
        "xen/common/libelf/libelf-dominfo.c",
        holes=((_MMIO_START, _4G),),
    ),
    differs=(
        *xen.DIFFERS,
        "the RSDP is at 0xfffc0 for every kernel, because QEMU's microvm has no memory at 0xfc000000",
        "the memory at 0xfc000000 and at 0xfeff8000, which the map lists, is not there",
    ),
)
