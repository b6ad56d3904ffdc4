"""The role of each structure as a whole.

If the fields of a structure share its role, its text starts with a verb: the explanation of a field is "Part of struct
NAME, which" and this text.
"""

from __future__ import annotations

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry, E820Table
from pvhdbg.abi.roles.actors import IN_PVH, NO_PROGRAM, PVH, REAL_MODE, VMM, Role
from pvhdbg.abi.setup_header import SetupHeader
from pvhdbg.abi.start_info import MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.abi.zero_page_parts import (
    ApmBiosInfo,
    EddDeviceParams,
    EddInfo,
    EdidInfo,
    EfiInfo,
    IstInfo,
    OlpcOfwHeader,
    ScreenInfo,
    SysDescTable,
)

STRUCTS = {
    struct.C_NAME: struct
    for struct in (
        StartInfo,
        ModlistEntry,
        MemmapTableEntry,
        BootE820Entry,
        E820Table,
        BootParams,
        SetupHeader,
        ScreenInfo,
        ApmBiosInfo,
        IstInfo,
        SysDescTable,
        OlpcOfwHeader,
        EdidInfo,
        EfiInfo,
        EddInfo,
        EddDeviceParams,
    )
}
"""Every structure that has a table, by C name."""

_ZERO = " 0 in a PVH boot."

STRUCTURES = {
    "hvm_start_info": Role(
        VMM,
        "the guest, at the address in EBX; Linux copies it to pvh_start_info and reads the copy",
        "Everything that the VMM passes to a PVH guest: the addresses of the modules, the command line, the ACPI root "
        "pointer and the memory map. An address of 0 means that the VMM passes no such data. The VMM can put the "
        "structure anywhere in RAM. The guest must read the data before it reuses that memory. Linux copies the "
        "structure in its first instructions: EBX is the only reference to it and is soon overwritten, the physical "
        "address in EBX is a pointer only as long as the identity map exists, and nothing protects that memory from "
        "the kernel itself.",
    ),
    "hvm_modlist_entry": Role(
        VMM,
        PVH,
        "A module: a file that the VMM loaded next to the kernel. Linux uses module 0 as the ramdisk and ignores all "
        "others.",
    ),
    "hvm_memmap_table_entry": Role(
        VMM,
        PVH,
        "A range of guest-physical addresses and its type, as defined by ACPI. Version 1 of start_info added this "
        "table; the 2017 RFC protocol passes e820 entries in a module instead.",
    ),
    "boot_e820_entry": Role(
        IN_PVH + ", otherwise the boot loader or the kernel's real-mode code",
        "e820__memory_setup_default",
        "A range of the memory map, 20 bytes without padding. boot_params, *e820_table and the 2017 RFC protocol's "
        "memory map have entries of this form.",
    ),
    "e820_table": Role(
        "Linux, in e820__memory_setup and later; in the 2017 RFC protocol the VMM, as module 1",
        "all of Linux's early memory code",
        "A count and packed entries. Linux builds its table, *e820_table, from boot_params.e820_table: sorted, without "
        "overlaps, without empty ranges. In the 2017 RFC protocol, module 1 has the same layout; its command line is "
        'exactly "e820 data".',
    ),
    "boot_params": Role(
        IN_PVH + ", otherwise the boot loader, the EFI stub or the kernel's real-mode code",
        "Linux, which copies it to the variable boot_params in copy_bootdata",
        "The zero page: the boot data that every x86 Linux starts with. In a PVH boot the kernel builds one itself, "
        "pvh_bootparams, from start_info, so that the rest of the kernel need not know about PVH. Nearly all of it "
        "stays 0.",
    ),
    "setup_header": Role(
        f"the kernel's build and the boot loader, or {IN_PVH}",
        "boot loaders, in the file; Linux, in boot_params",
        "The header of a bzImage. A boot loader reads it, fills it in and copies it to boot_params. A PVH boot has no "
        "boot loader: init_pvh_bootparams sets the five fields that Linux needs later, and leaves all others 0.",
    ),
    "screen_info": Role(
        REAL_MODE + ", or the EFI stub; for Xen's control domain, xen_init_vga",
        "the VGA console and the frame buffer drivers",
        "Describes the display at boot: a text mode, or the address, size and pixel format of a frame buffer. 0 in a "
        "PVH boot, except in Xen's control domain.",
    ),
    "apm_bios_info": Role(
        REAL_MODE,
        "the APM driver, only in 32-bit kernels",
        "Describes how to call the BIOS's power management (APM)." + _ZERO,
    ),
    "ist_info": Role(
        REAL_MODE, "the speedstep-smi driver, only in 32-bit kernels", "Describes how to change the CPU speed." + _ZERO
    ),
    "sys_desc_table": Role(
        "the real-mode code of old kernels", NO_PROGRAM, "Holds the BIOS's description of the machine." + _ZERO
    ),
    "olpc_ofw_header": Role(
        "Open Firmware on an OLPC laptop",
        "olpc_ofw_detect, only in 32-bit kernels",
        "Describes how to call Open Firmware." + _ZERO,
    ),
    "edid_info": Role(
        REAL_MODE + " (VESA), or the EFI stub",
        "frame buffer drivers",
        "Holds what the monitor reports about itself." + _ZERO,
    ),
    "efi_info": Role(
        "the EFI stub, or a boot loader or kexec instead of it; for Xen's control domain, xen_efi_init",
        "setup_arch and efi_init",
        "Holds the addresses of the EFI system table and memory map. Each address is split in two, because the high "
        "halves were added later. 0 in a PVH boot, except in Xen's control domain.",
    ),
    "edd_info": Role(
        REAL_MODE, "the edd driver", "Describes a disk by its BIOS number, to match it with a Linux disk." + _ZERO
    ),
    "edd_device_params": Role(REAL_MODE, "the edd driver", "Holds the geometry of a disk and its bus." + _ZERO),
}
