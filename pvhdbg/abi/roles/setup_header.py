"""Roles of struct setup_header.

Facts: Linux Documentation/arch/x86/boot.rst, arch/x86/kernel/setup.c and head64.c, arch/x86/boot/header.S.
"""

from __future__ import annotations

from pvhdbg.abi.roles.words import BUILD, LOADER, NOBODY, PVH, Role

_LOADERS = "boot loaders, kexec"
_UNPACKERS = "whoever unpacks the vmlinux inside: Xen's toolstack, pvhdbg"
_SKIPPED = "A PVH guest never had a boot loader to read it, and its boot_params has 0 here."

SETUP_HEADER = {
    "setup_sects": Role(BUILD, _LOADERS, f"Tells where the protected-mode code begins in the file. {_SKIPPED}"),
    "root_flags": Role(
        BUILD,
        "setup_arch",
        "0 means that the root file system is mounted writable, so under PVH it is, unless the command line has `ro`.",
    ),
    "syssize": Role(BUILD, _LOADERS, f"How much to load to high memory. {_SKIPPED}"),
    "ram_size": Role(BUILD + ", 0", "setup_arch", "From the days of floppies: where on the disk a ramdisk begins."),
    "vid_mode": Role(
        BUILD + "; " + LOADER,
        "the kernel's real-mode code; setup_arch, for waking from sleep",
        "The text or graphics mode that real-mode code sets. PVH has no real mode, and leaves 0.",
    ),
    "root_dev": Role(BUILD, "setup_arch", "The root device if the command line names none. Under PVH: 0, none."),
    "boot_flag": Role(BUILD, "boot loaders, and once the BIOS", f"The mark of a boot sector. {_SKIPPED}"),
    "jump": Role(
        BUILD,
        "the CPU, which starts real-mode code here; boot loaders, for the header's length",
        "A short jump over the header. Its distance tells how long the header is, and so which fields it has.",
    ),
    "header": Role(
        BUILD,
        "boot loaders; QEMU, before it looks for a PVH note",
        "Whatever has it is a bzImage for QEMU and boots by Linux's own protocol, never by PVH. Under PVH Linux does "
        "not look at it, and it is 0.",
    ),
    "version": Role(
        BUILD + "; under PVH " + PVH,
        "/sys/kernel/boot_params/version; 32-bit kernels before 5.9, for hardware_subarch",
        "PVH claims 2.12, 0x020c. Linux 4.11 and the RFC of 2017 wrote 0x0212, the decimal digits taken for hex ones.",
    ),
    "realmode_swtch": Role(LOADER, "the kernel's real-mode code", f"Called before protected mode. {_SKIPPED}"),
    "start_sys_seg": Role(BUILD, NOBODY, "Where very old kernels were loaded."),
    "kernel_version": Role(BUILD, "boot loaders, file", "Leads to the text that uname shows as release and version."),
    "type_of_loader": Role(
        LOADER + "; under PVH " + PVH,
        "setup_arch; early_reserve_initrd, which takes 0 for no boot loader and so for no ramdisk",
        "PVH writes 0x90 if it sees Xen's CPUID leaves and 0xb0, QEMU's number, for every other VMM.",
    ),
    "loadflags": Role(
        BUILD + "; " + LOADER + "; KASLR_FLAG by the decompressor",
        "the kernel's real-mode code; kaslr_enabled",
        "PVH goes round the decompressor and leaves 0: no KASLR, so that the kernel runs at its link addresses.",
    ),
    "setup_move_size": Role(LOADER, "real-mode code before protocol 2.02", "For loaders that put it elsewhere."),
    "code32_start": Role(
        BUILD + "; " + LOADER,
        "the kernel's real-mode code, which jumps there",
        "A hook for boot loaders, too: they may point it to code of their own.",
    ),
    "ramdisk_image": Role(
        LOADER + "; under PVH " + PVH + ", from the first module's paddr",
        "early_reserve_initrd and reserve_initrd",
        "Only the low 32 bits; PVH leaves ext_ramdisk_image 0, so that a module above 4 GiB is looked for elsewhere.",
    ),
    "ramdisk_size": Role(
        LOADER + "; under PVH " + PVH + ", from the first module's size",
        "early_reserve_initrd and reserve_initrd",
        "0 means that there is no ramdisk, whatever ramdisk_image says.",
    ),
    "bootsect_kludge": Role(NOBODY, NOBODY, "The boot sector that once came with the kernel used it."),
    "heap_end_ptr": Role(LOADER, "the kernel's real-mode code", "Counts only with CAN_USE_HEAP in loadflags."),
    "ext_loader_ver": Role(LOADER, "setup_arch", "More bits for the loader's version. PVH leaves 0."),
    "ext_loader_type": Role(LOADER, "setup_arch", "Loaders ran out of 4-bit numbers. PVH has no need of it."),
    "cmd_line_ptr": Role(
        LOADER + "; under PVH " + PVH + ", from cmdline_paddr",
        "copy_bootdata, which copies 2048 bytes to boot_command_line",
        "Only the low 32 bits; PVH leaves ext_cmd_line_ptr 0. 0 here means no command line.",
    ),
    "initrd_addr_max": Role(BUILD, _LOADERS, f"32-bit kernels can't reach everything so early. {_SKIPPED}"),
    "kernel_alignment": Role(
        BUILD + "; " + LOADER,
        _LOADERS + ", the decompressor",
        "Xen's PHYS32_RELOC note tells PVH's loaders the same.",
    ),
    "relocatable_kernel": Role(
        BUILD, _LOADERS, "For the decompressor's sake. A PVH guest can be moved if it has the note PHYS32_RELOC."
    ),
    "min_alignment": Role(BUILD, _LOADERS, f"For loaders that can't have kernel_alignment. {_SKIPPED}"),
    "xloadflags": Role(BUILD, _LOADERS, f"What else the kernel can take. {_SKIPPED}"),
    "cmdline_size": Role(
        BUILD, _LOADERS, "2047 on x86. PVH has no such field: what is longer is cut by copy_bootdata, silently."
    ),
    "hardware_subarch": Role(
        LOADER,
        "x86_64_start_reservations, x86_early_init_platform_quirks",
        "For machines that can't be recognised early. 0, a PC, is right for PVH; 2 means Xen's paravirtual kernels.",
    ),
    "hardware_subarch_data": Role(LOADER, "nobody today", "Whatever the subarchitecture needs."),
    "payload_offset": Role(BUILD, _UNPACKERS, "Counts from where setup_sects says that the real-mode code ends."),
    "payload_length": Role(BUILD, _UNPACKERS, "Tells the unpacker where to stop."),
    "setup_data": Role(
        LOADER + ", kexec, the EFI stub",
        "parse_setup_data and others",
        "A linked list; each node has the address of the next, a type, a length and data: more of the memory map, a "
        "device tree, EFI variables, a random seed. PVH has none.",
    ),
    "pref_address": Role(
        BUILD, _LOADERS + ", the decompressor", "Loaded there, the kernel need not be moved: its link address."
    ),
    "init_size": Role(BUILD, _LOADERS, f"The kernel unpacked, with its .bss and page tables. {_SKIPPED}"),
    "handover_offset": Role(BUILD, "EFI boot loaders", "The older way to start the EFI stub, which PVH goes round."),
    "kernel_info_offset": Role(BUILD, _LOADERS, "Read-only facts about the kernel that need no room in boot_params."),
}
