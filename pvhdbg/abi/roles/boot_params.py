"""Roles of struct boot_params' own fields.

Facts: Linux Documentation/arch/x86/zero-page.rst, arch/x86/kernel/setup.c and e820.c, arch/x86/boot/.
"""

from __future__ import annotations

from pvhdbg.abi.roles.words import LOADER, NOBODY, PVH, REAL_MODE, Role

_PAD = Role(NOBODY, NOBODY, "Between fields; the kernel's clean-up of a dirty page clears it. 0 under PVH.")
_EDD = Role(
    REAL_MODE,
    "setup_arch, for the edd driver's /sys/firmware/edd",
    "Lets user space match the BIOS's disk numbers with Linux's names. PVH asks no BIOS: 0.",
)
_OLD_DISK = Role("boot loaders of old", NOBODY, "The BIOS's geometry table of a disk.")

BOOT_PARAMS = {
    "screen_info": Role(
        REAL_MODE + ", or the EFI stub; on Xen's control domain xen_init_vga",
        "setup_arch; then the VGA console and the frame buffer drivers",
        "What is on the screen and how to draw on it. PVH leaves it 0, so that Linux starts without a display.",
    ),
    "apm_bios_info": Role(REAL_MODE, "the APM driver, 32-bit kernels only", "Power management before ACPI."),
    "_pad2": _PAD,
    "tboot_addr": Role("tboot", "tboot_probe", "Where the measured launch of Intel TXT left its data. 0 under PVH."),
    "ist_info": Role(REAL_MODE, "the speedstep-smi driver, 32-bit kernels only", "SpeedStep of Pentium III days."),
    "acpi_rsdp_addr": Role(
        "the decompressor or kexec; in kernels from 2026 on init_pvh_bootparams, from rsdp_paddr",
        "ACPI's start-up code, x86_default_get_root_pointer",
        "Spares ACPI the search for its root pointer. Earlier PVH kernels leave it 0 and hand rsdp_paddr over by "
        "pvh_get_root_pointer.",
    ),
    "_pad3": _PAD,
    "hd0_info": _OLD_DISK,
    "hd1_info": _OLD_DISK,
    "sys_desc_table": Role("the real-mode code of old kernels", NOBODY, "Told Micro Channel machines from others."),
    "olpc_ofw_header": Role("Open Firmware on an OLPC", "olpc_ofw_detect, 32-bit kernels only", "How to call it."),
    "ext_ramdisk_image": Role(
        LOADER, "get_ramdisk_image", "For ramdisks above 4 GiB. PVH leaves it 0, and so loses a module's upper half."
    ),
    "ext_ramdisk_size": Role(LOADER, "get_ramdisk_size", "For ramdisks from 4 GiB on. PVH leaves it 0."),
    "ext_cmd_line_ptr": Role(LOADER, "get_cmd_line_ptr", "For command lines above 4 GiB. PVH leaves it 0."),
    "_pad4": _PAD,
    "cc_blob_address": Role(
        "the decompressor or the EFI stub", "snp_init", "Leads to the secrets and CPUID pages of a SEV-SNP guest."
    ),
    "edid_info": Role(REAL_MODE + " (VESA), or the EFI stub", "frame buffer drivers", "The monitor's modes."),
    "efi_info": Role(
        "the EFI stub, or a boot loader or kexec for it; on Xen's control domain xen_efi_init",
        "setup_arch and efi_init",
        "Its signature tells whether the kernel runs on EFI. PVH leaves it 0: no EFI.",
    ),
    "alt_mem_k": Role(
        REAL_MODE,
        "e820__memory_setup_default, if there is no usable e820_table",
        "The fall-back for memory size. PVH leaves it 0: a guest whose map is refused is left with 636 KiB.",
    ),
    "scratch": Role("the decompressor, whose first stack it is", "the decompressor", "Unused under PVH."),
    "e820_entries": Role(
        PVH + "; else " + LOADER + ", or the kernel's real-mode code",
        "e820__memory_setup_default",
        "8 bits for a table of 128. PVH stores memmap_entries modulo 256, and adds one for the ISA range if that is "
        "below 127.",
    ),
    "eddbuf_entries": _EDD,
    "edd_mbr_sig_buf_entries": _EDD,
    "kbd_status": Role(REAL_MODE, "the console's keyboard driver", "Whether NumLock is lit at the start. 0 under PVH."),
    "secure_boot": Role("the EFI stub", "setup_arch, efi_set_secure_boot", "Decides about lockdown. 0 under PVH."),
    "_pad5": _PAD,
    "sentinel": Role(
        "the kernel's build, 0xff, in a bzImage; a right loader leaves 0",
        "sanitize_boot_params",
        "A loader that copies more of the file than the header leaves 0xff here; the kernel then clears what such "
        "loaders fill with garbage. PVH clears the whole page first: 0.",
    ),
    "_pad6": _PAD,
    "hdr": Role(
        "the kernel's build and " + LOADER + "; under PVH " + PVH,
        "setup_arch and others, field by field",
        "In a bzImage it is part of the file, and loaders copy it here. PVH makes it up: five fields, the rest 0.",
    ),
    "_pad7": _PAD,
    "edd_mbr_sig_buffer": _EDD,
    "e820_table": Role(
        PVH + "; else " + LOADER + ", or the kernel's real-mode code",
        "e820__memory_setup_default, which fills *e820_table from it",
        "PVH copies the memory map as it stands, unsorted and with empty ranges, and adds the ISA range, 0xa0000 to "
        "0xfffff, as reserved.",
    ),
    "_pad8": _PAD,
    "eddbuf": _EDD,
    "_pad9": _PAD,
}
