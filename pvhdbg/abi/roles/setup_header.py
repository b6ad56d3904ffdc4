"""Roles of the fields of struct setup_header.

Facts: Linux Documentation/arch/x86/boot.rst, arch/x86/kernel/setup.c and head64.c, arch/x86/boot/header.S.
"""

from __future__ import annotations

from pvhdbg.abi.roles.actors import BUILD, IN_PVH, LOADER, NO_PROGRAM, Role

_BUILD_AND_LOADER = f"{BUILD}, and the boot loader"
_LOADER_OR_PVH = f"the boot loader, or {IN_PVH}"
_LOADERS = "boot loaders and kexec"
_UNPACKERS = "programs that unpack the vmlinux: Xen's toolstack, pvhdbg"
_UNUSED = "A PVH boot does not use it, and leaves 0 in boot_params."

SETUP_HEADER = {
    "setup_sects": Role(BUILD, _LOADERS, f"Gives the offset of the protected-mode code in the file. {_UNUSED}"),
    "root_flags": Role(
        BUILD,
        "setup_arch",
        "0 means that Linux mounts the root file system writable. A PVH boot leaves it 0; `ro` on the command line "
        "makes Linux mount it read-only.",
    ),
    "syssize": Role(BUILD, _LOADERS, f"The amount of code to load into high memory. {_UNUSED}"),
    "ram_size": Role(
        f"{BUILD}, as 0", "setup_arch", "From the days of floppy disks: where a ramdisk begins on the disk."
    ),
    "vid_mode": Role(
        _BUILD_AND_LOADER,
        "the kernel's real-mode code; setup_arch, for waking up from sleep",
        "The text or graphics mode that the real-mode code sets. A PVH boot has no real-mode code and leaves 0.",
    ),
    "root_dev": Role(
        BUILD,
        "setup_arch",
        "The root device, if the command line does not name one. A PVH boot leaves it 0: no root device.",
    ),
    "boot_flag": Role(BUILD, "boot loaders, and formerly the BIOS", f"The signature of a boot sector. {_UNUSED}"),
    "jump": Role(
        BUILD,
        "the CPU, which starts the real-mode code here; boot loaders, for the length of the header",
        "A short jump over the header. Its distance gives the length of the header, and thus which fields exist.",
    ),
    "header": Role(
        BUILD,
        "boot loaders; QEMU, before it looks for a PVH note",
        "QEMU treats every file with this value as a bzImage and boots it via the Linux boot protocol, never via PVH. "
        "A PVH boot leaves it 0, and Linux ignores it.",
    ),
    "version": Role(
        f"{BUILD}, or {IN_PVH}",
        "/sys/kernel/boot_params/version; 32-bit kernels before 5.9, for hardware_subarch",
        "A PVH boot sets 2.12, which is 0x020c. Linux 4.11 and the 2017 RFC patches wrote 0x0212, which means 2.18.",
    ),
    "realmode_swtch": Role(
        LOADER, "the kernel's real-mode code", f"The real-mode code calls it before it enters protected mode. {_UNUSED}"
    ),
    "start_sys_seg": Role(BUILD, NO_PROGRAM, "Where very old kernels were loaded."),
    "kernel_version": Role(
        BUILD,
        "boot loaders and the command `file`",
        "Points to a string with the release and version that `uname` prints.",
    ),
    "type_of_loader": Role(
        _LOADER_OR_PVH,
        "setup_arch; early_reserve_initrd, which ignores the ramdisk if it is 0 (no boot loader)",
        "A PVH boot sets 0x90 (Xen) if the kernel finds Xen's CPUID leaves, otherwise 0xb0 (QEMU).",
    ),
    "loadflags": Role(
        f"{_BUILD_AND_LOADER}; the decompressor (KASLR_FLAG)",
        "the kernel's real-mode code; kaslr_enabled",
        "A PVH boot bypasses the decompressor and leaves 0: no KASLR, so the kernel runs at its link addresses.",
    ),
    "setup_move_size": Role(
        LOADER,
        "real-mode code before boot protocol 2.02",
        "For boot loaders that do not load the real-mode code at 0x90000.",
    ),
    "code32_start": Role(
        _BUILD_AND_LOADER,
        "the kernel's real-mode code, which jumps there",
        "Also a hook: a boot loader can set it to the address of its own code.",
    ),
    "ramdisk_image": Role(
        f"{_LOADER_OR_PVH}, from the paddr of module 0",
        "early_reserve_initrd and reserve_initrd",
        "Holds only the low 32 bits. A PVH boot leaves ext_ramdisk_image 0, so Linux looks for a module above 4 GiB at "
        "the wrong address.",
    ),
    "ramdisk_size": Role(
        f"{_LOADER_OR_PVH}, from the size of module 0",
        "early_reserve_initrd and reserve_initrd",
        "0 means that there is no ramdisk, regardless of ramdisk_image.",
    ),
    "bootsect_kludge": Role(NO_PROGRAM, NO_PROGRAM, "Was used by the boot sector that older kernels contained."),
    "heap_end_ptr": Role(LOADER, "the kernel's real-mode code", "Valid only with CAN_USE_HEAP in loadflags."),
    "ext_loader_ver": Role(LOADER, "setup_arch", "High bits of the boot loader's version. 0 in a PVH boot."),
    "ext_loader_type": Role(
        LOADER,
        "setup_arch",
        "For boot loaders whose identifier does not fit into 4 bits. Not needed in a PVH boot.",
    ),
    "cmd_line_ptr": Role(
        f"{_LOADER_OR_PVH}, from cmdline_paddr",
        "copy_bootdata, which copies 2048 bytes to boot_command_line",
        "Holds only the low 32 bits; a PVH boot leaves ext_cmd_line_ptr 0. 0 here means that there is no command line.",
    ),
    "initrd_addr_max": Role(BUILD, _LOADERS, f"A 32-bit kernel cannot access all memory early in boot. {_UNUSED}"),
    "kernel_alignment": Role(
        _BUILD_AND_LOADER,
        "boot loaders, kexec and the decompressor",
        "For a PVH boot, the Xen note PHYS32_RELOC has the same alignment.",
    ),
    "relocatable_kernel": Role(
        BUILD, _LOADERS, "Describes a bzImage. A PVH kernel is relocatable if it has the Xen note PHYS32_RELOC."
    ),
    "min_alignment": Role(BUILD, _LOADERS, f"For boot loaders that cannot satisfy kernel_alignment. {_UNUSED}"),
    "xloadflags": Role(BUILD, _LOADERS, f"Lists optional features that the kernel supports. {_UNUSED}"),
    "cmdline_size": Role(
        BUILD, _LOADERS, "2047 on x86. In a PVH boot, copy_bootdata silently truncates a longer command line."
    ),
    "hardware_subarch": Role(
        LOADER,
        "x86_64_start_reservations and x86_early_init_platform_quirks",
        "For machines that Linux cannot detect early. 0, a PC, is right for PVH; 2 means a paravirtual guest of Xen.",
    ),
    "hardware_subarch_data": Role(LOADER, "no current program", "Depends on hardware_subarch."),
    "payload_offset": Role(BUILD, _UNPACKERS, "Counts from the end of the real-mode code, which setup_sects gives."),
    "payload_length": Role(BUILD, _UNPACKERS, "Shows where the compressed vmlinux ends."),
    "setup_data": Role(
        "the boot loader, kexec and the EFI stub",
        "parse_setup_data and others",
        "A linked list. Each node has the address of the next node, a type, a length, and data such as further memory "
        "map entries, a device tree or a random seed. A PVH boot leaves it empty.",
    ),
    "pref_address": Role(
        BUILD,
        "boot loaders, kexec and the decompressor",
        "The kernel's link address. A kernel that is loaded there need not be moved.",
    ),
    "init_size": Role(BUILD, _LOADERS, f"The size of the unpacked kernel with its .bss and page tables. {_UNUSED}"),
    "handover_offset": Role(
        BUILD, "EFI boot loaders", "The older way to start the EFI stub, which a PVH boot bypasses."
    ),
    "kernel_info_offset": Role(BUILD, _LOADERS, "Read-only facts about the kernel that take no space in boot_params."),
}
