"""Roles of the fields of struct boot_params.

Facts: Linux Documentation/arch/x86/zero-page.rst, arch/x86/kernel/setup.c and e820.c, arch/x86/boot/.
"""

from __future__ import annotations

from pvhdbg.abi.roles.actors import IN_PVH, LOADER, NO_PROGRAM, REAL_MODE, Role

_PAD = Role(NO_PROGRAM, NO_PROGRAM, "Padding. The kernel clears it if sentinel is not 0. 0 in a PVH boot.")
_EDD = Role(
    REAL_MODE,
    "setup_arch, for the edd driver and its /sys/firmware/edd",
    "Lets user space match BIOS disk numbers with Linux disk names. A PVH boot calls no BIOS and leaves it 0.",
)
_OLD_DISK = Role("old boot loaders", NO_PROGRAM, "The geometry of a disk, copied from a BIOS table.")
_MEMORY_MAP = IN_PVH + ", otherwise the boot loader or the kernel's real-mode code"

BOOT_PARAMS = {
    "screen_info": Role(
        REAL_MODE + ", or the EFI stub; for Xen's control domain, xen_init_vga",
        "setup_arch, then the VGA console and the frame buffer drivers",
        "Describes the screen and how to draw on it. A PVH boot leaves it 0, so Linux starts without a display.",
    ),
    "apm_bios_info": Role(REAL_MODE, "the APM driver, only in 32-bit kernels", "Power management before ACPI."),
    "_pad2": _PAD,
    "tboot_addr": Role("tboot", "tboot_probe", "Where Intel TXT's measured launch left its data. 0 in a PVH boot."),
    "ist_info": Role(
        REAL_MODE, "the speedstep-smi driver, only in 32-bit kernels", "For SpeedStep on CPUs of the Pentium III era."
    ),
    "acpi_rsdp_addr": Role(
        "the decompressor or kexec; in Linux of 2026 and later, also init_pvh_bootparams, from rsdp_paddr",
        "ACPI initialization, in x86_default_get_root_pointer",
        "Saves ACPI the search for its root pointer (RSDP). In a PVH boot, older kernels leave it 0, and ACPI gets "
        "rsdp_paddr from pvh_get_root_pointer instead.",
    ),
    "_pad3": _PAD,
    "hd0_info": _OLD_DISK,
    "hd1_info": _OLD_DISK,
    "sys_desc_table": Role("the real-mode code of old kernels", NO_PROGRAM, "Identified Micro Channel machines."),
    "olpc_ofw_header": Role(
        "Open Firmware on an OLPC laptop", "olpc_ofw_detect, only in 32-bit kernels", "How to call Open Firmware."
    ),
    "ext_ramdisk_image": Role(
        LOADER,
        "get_ramdisk_image",
        "For ramdisks above 4 GiB. A PVH boot leaves it 0, which loses the high 32 bits of a module's address.",
    ),
    "ext_ramdisk_size": Role(LOADER, "get_ramdisk_size", "For ramdisks of 4 GiB and more. 0 in a PVH boot."),
    "ext_cmd_line_ptr": Role(LOADER, "get_cmd_line_ptr", "For command lines above 4 GiB. 0 in a PVH boot."),
    "_pad4": _PAD,
    "cc_blob_address": Role(
        "the decompressor or the EFI stub",
        "snp_init",
        "Leads to the secrets page and the CPUID page of an SEV-SNP guest.",
    ),
    "edid_info": Role(
        REAL_MODE + " (VESA), or the EFI stub", "frame buffer drivers", "The display modes that the monitor supports."
    ),
    "efi_info": Role(
        "the EFI stub, or a boot loader or kexec instead of it; for Xen's control domain, xen_efi_init",
        "setup_arch and efi_init",
        "Its signature shows whether the kernel was booted via EFI. A PVH boot leaves it 0, so Linux uses no EFI.",
    ),
    "alt_mem_k": Role(
        REAL_MODE,
        "e820__memory_setup_default, if e820_table is not usable",
        "The amount of memory, as a fallback. A PVH boot leaves it 0, so a Linux that rejects the memory map has only "
        "636 KiB of RAM.",
    ),
    "scratch": Role("the decompressor, as its first stack", "the decompressor", "Unused in a PVH boot."),
    "e820_entries": Role(
        _MEMORY_MAP,
        "e820__memory_setup_default",
        "8 bits, for a table of 128 entries. init_pvh_bootparams stores memmap_entries modulo 256; if the result is "
        "below 127, it adds an entry for the ISA range and increments the count.",
    ),
    "eddbuf_entries": _EDD,
    "edd_mbr_sig_buf_entries": _EDD,
    "kbd_status": Role(REAL_MODE, "the console's keyboard driver", "Shows whether NumLock is on. 0 in a PVH boot."),
    "secure_boot": Role(
        "the EFI stub",
        "setup_arch, in efi_set_secure_boot",
        "Decides whether the kernel enables lockdown. 0 in a PVH boot.",
    ),
    "_pad5": _PAD,
    "sentinel": Role(
        "the kernel's build, as 0xff in the bzImage; a correct boot loader leaves 0",
        "sanitize_boot_params",
        "A boot loader that copies more of the file than the header leaves 0xff here. The kernel then clears the "
        "fields that such boot loaders fill with garbage. init_pvh_bootparams clears the whole page, so it is 0.",
    ),
    "_pad6": _PAD,
    "hdr": Role(
        f"the kernel's build and the boot loader, or {IN_PVH}",
        "setup_arch and other functions",
        "The header is part of a bzImage, and boot loaders copy it here. In a PVH boot, init_pvh_bootparams sets five "
        "of its fields and leaves the others 0.",
    ),
    "_pad7": _PAD,
    "edd_mbr_sig_buffer": _EDD,
    "e820_table": Role(
        _MEMORY_MAP,
        "e820__memory_setup_default, which builds *e820_table from it",
        "init_pvh_bootparams copies the memory map unchanged: it does not sort the entries and keeps empty ranges. "
        "Then it adds the ISA range, 0xa0000 to 0xfffff, as RESERVED.",
    ),
    "_pad8": _PAD,
    "eddbuf": _EDD,
    "_pad9": _PAD,
}
