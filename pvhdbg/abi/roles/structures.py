"""What each structure is, as a whole."""

from __future__ import annotations

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry, E820Table
from pvhdbg.abi.roles.words import LOADER, PVH, REAL_MODE, VMM, Role
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
    each.C_NAME: each
    for each in (
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
"""Every structure that pvhdbg has a table of, by its C name."""

_ZERO = " A PVH guest has 0 here."

STRUCTURES = {
    "hvm_start_info": Role(
        VMM,
        "the guest, from the address in EBX; Linux copies it to pvh_start_info and reads the copy",
        "All that a PVH guest is handed: where modules, command line, ACPI and the memory map lie. Any address may be "
        "0, which means that there is no such thing. The VMM puts it anywhere in RAM, and the guest must not lose "
        "what it points to before it is read.",
    ),
    "hvm_modlist_entry": Role(
        VMM,
        PVH,
        "A file that was loaded beside the kernel. Linux takes the first one for its ramdisk and ignores all others.",
    ),
    "hvm_memmap_table_entry": Role(
        VMM,
        PVH,
        "A range of guest-physical addresses and what it is, in ACPI's terms. With version 1 of start_info they took "
        "the place of the RFC's module of e820 entries.",
    ),
    "boot_e820_entry": Role(
        PVH + "; outside PVH the boot loader, or the kernel's real-mode code",
        "e820__memory_setup_default",
        "A range of the memory map, 20 bytes without padding: as in boot_params, so in *e820_table and in the RFC's "
        "module.",
    ),
    "e820_table": Role(
        "Linux: e820__memory_setup and what follows it; the VMM, as the RFC's second module",
        "all of Linux's early memory code",
        "A count and packed entries. Linux's is sorted, without overlaps and empty ranges; what it was made from is "
        'boot_params.e820_table. The RFC\'s second module, whose text is exactly "e820 data", has the same form.',
    ),
    "boot_params": Role(
        PVH + "; outside PVH " + LOADER + ", the EFI stub, or the kernel's real-mode code",
        "Linux, which copies it to boot_params in copy_bootdata",
        "The page that Linux on x86 is started with, however it is started: the zero page. PVH makes one, "
        "pvh_bootparams, out of start_info, so that the rest of the kernel need not know of PVH; nearly all of it "
        "stays 0.",
    ),
    "setup_header": Role(
        "the kernel's build and " + LOADER + "; under PVH " + PVH,
        "boot loaders, in the file; Linux, in boot_params",
        "The head of a bzImage, which its boot loader reads, fills in and copies to boot_params. A PVH boot has no "
        "boot loader: xen_prepare_pvh sets the five fields that Linux needs later, and leaves all others 0.",
    ),
    "screen_info": Role(
        REAL_MODE + ", or the EFI stub; on Xen's control domain xen_init_vga",
        "the VGA console and the frame buffer drivers",
        "The display as Linux found it: a text mode, or a frame buffer's address, size and pixel format. 0 in a "
        "PVH guest that is not Xen's control domain.",
    ),
    "apm_bios_info": Role(
        REAL_MODE, "the APM driver, 32-bit kernels only", "How to call the BIOS's power management." + _ZERO
    ),
    "ist_info": Role(
        REAL_MODE, "the speedstep-smi driver, 32-bit kernels only", "How to change the CPU's speed." + _ZERO
    ),
    "sys_desc_table": Role(
        "the real-mode code of old kernels", "nobody", "The BIOS's description of the machine." + _ZERO
    ),
    "olpc_ofw_header": Role("Open Firmware on an OLPC", "olpc_ofw_detect", "How to call Open Firmware." + _ZERO),
    "edid_info": Role(
        REAL_MODE + ", or the EFI stub", "frame buffer drivers", "What the monitor says of itself." + _ZERO
    ),
    "efi_info": Role(
        "the EFI stub, or a boot loader or kexec for it; on Xen's control domain xen_efi_init",
        "efi_init",
        "Where EFI's system table and memory map lie. Each address is in two halves, as the upper ones came later. 0 "
        "in a PVH guest that is not Xen's control domain.",
    ),
    "edd_info": Role(
        REAL_MODE, "the edd driver", "A disk as the BIOS numbers it, to be matched with Linux's names." + _ZERO
    ),
    "edd_device_params": Role(REAL_MODE, "the edd driver", "A disk's geometry, and on which bus it is." + _ZERO),
}
