"""Roles of the fields that the VMM passes. Facts: Linux arch/x86/platform/pvh/enlighten.c; Xen's start_info.h."""

from __future__ import annotations

from pvhdbg.abi.roles.actors import NO_PROGRAM, PVH, VMM, Role

START_INFO = {
    "magic": Role(
        VMM,
        "xen_prepare_pvh, before any other field",
        "Shows that EBX points to a start_info. If the value is wrong, Linux executes BUG(), which causes a triple "
        "fault in xen_prepare_pvh; only Xen shows a message. Linux 6.12 and later briefly uses this field as a stack, "
        "so start_info must be in writable memory.",
    ),
    "version": Role(
        VMM,
        PVH,
        "Version 1 added the memory map; later versions may only append fields. Outside Xen, Linux executes BUG() if "
        "the version is 0. Xen passes version 0 to its control domain.",
    ),
    "flags": Role(
        "Xen, for its control domain; every other VMM writes 0",
        "xen_pvh_init, only on Xen: it copies them to xen_start_flags",
        "Xen's SIF_* flags show that a Xen guest is privileged or is the control domain.",
    ),
    "nr_modules": Role(
        VMM,
        PVH,
        "If it is not 0, Linux uses module 0 as the ramdisk and ignores all other modules. A kernel built with the "
        "2017 RFC patches looks for the memory map in module 1.",
    ),
    "modlist_paddr": Role(
        VMM,
        PVH,
        "Linux reads the list through the direct map, which ends at 1 GiB at the stage prepare. An access above that "
        "is a page fault without a handler: a triple fault. qboot leaves the list on its stack, in memory that the "
        "map lists as free RAM.",
    ),
    "cmdline_paddr": Role(
        VMM,
        PVH + ", which copies the low 32 bits to hdr.cmd_line_ptr",
        "0 means that there is no command line. QEMU passes an address even if the command line is empty. Linux reads "
        "the text later, in copy_bootdata.",
    ),
    "rsdp_paddr": Role(
        VMM,
        "ACPI initialization, through pvh_get_root_pointer; in Linux of 2026 and later, init_pvh_bootparams",
        "0 means that the guest must search for the ACPI root pointer (RSDP), or that there is no ACPI. Firecracker "
        "leaves it 0 although it provides an RSDP.",
    ),
    "memmap_paddr": Role(
        VMM,
        PVH,
        "Linux reads the map through the direct map, which ends at 1 GiB at the stage prepare. Valid only if "
        "memmap_entries is not 0.",
    ),
    "memmap_entries": Role(
        VMM,
        PVH,
        "0 means that there is no memory map. Linux copies this many entries but stores their number in 8 bits: 256 "
        "becomes 0, and more than 128 entries overflow the table in boot_params.",
    ),
    "reserved": Role(
        VMM, NO_PROGRAM, "Pads the structure to a multiple of 8 bytes. Must be 0, so that later versions can use it."
    ),
}

MODLIST_ENTRY = {
    "paddr": Role(
        VMM,
        PVH + "; only of module 0, whose low 32 bits become hdr.ramdisk_image",
        "A module above 4 GiB loses the high 32 bits of its address. In the 2017 RFC protocol, module 1 is the memory "
        "map.",
    ),
    "size": Role(
        VMM,
        PVH + "; only of module 0, whose low 32 bits become hdr.ramdisk_size",
        "0 means no ramdisk. A kernel built with the 2017 RFC patches ignores the size of module 1.",
    ),
    "cmdline_paddr": Role(
        VMM,
        "Xen's hvmloader and FreeBSD, to identify modules; Linux ignores it",
        "The guest defines what a module's command line means. A kernel built with the 2017 RFC patches uses module 1 "
        'as the memory map if its command line is exactly "e820 data". qboot leaves garbage here.',
    ),
    "reserved": Role(VMM, NO_PROGRAM, "Must be 0. qboot leaves garbage here, which does no harm."),
}

_COPIED = PVH + ", which copies it unchanged to boot_params.e820_table"

MEMMAP_TABLE_ENTRY = {
    "addr": Role(VMM, _COPIED, "Ranges need not be sorted or aligned. Linux sorts its own table later."),
    "size": Role(VMM, _COPIED, "Linux copies empty ranges too, and drops them when it makes *e820_table."),
    "type": Role(VMM, _COPIED, "An ACPI address range type. If ranges overlap, Linux uses the higher type number."),
    "reserved": Role(VMM, NO_PROGRAM, "Must be 0. An entry of boot_params.e820_table has no such field."),
}
