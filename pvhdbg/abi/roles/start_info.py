"""Roles of what the VMM hands over. Facts: Linux arch/x86/platform/pvh/enlighten.c; Xen's start_info.h."""

from __future__ import annotations

from pvhdbg.abi.roles.words import NOBODY, PVH, VMM, Role

START_INFO = {
    "magic": Role(
        VMM,
        "xen_prepare_pvh, before any other field",
        "Tells that EBX really points to a start_info. Linux stops with BUG() at any other value, which without a "
        "console is a silent triple fault. Linux 6.12 uses the word for a moment as a stack at its entry, so that "
        "start_info must lie in writable memory.",
    ),
    "version": Role(
        VMM,
        PVH,
        "From version 1 on the structure has a memory map. Linux outside Xen stops with BUG() at version 0. Later "
        "versions only add to the end; Xen's own control domain gets version 0.",
    ),
    "flags": Role(
        "Xen, for its control domain; every other VMM writes 0",
        "xen_pvh_init, on Xen only: it becomes xen_start_flags",
        "Xen's SIF_* bits. They tell a domain that it is privileged or the control domain.",
    ),
    "nr_modules": Role(
        VMM,
        PVH,
        "If it is not 0, the first module is the ramdisk. Linux ignores all others; a kernel with the RFC of 2017 "
        "looks into the second for the memory map.",
    ),
    "modlist_paddr": Role(
        VMM,
        PVH,
        "Read through the direct map, which ends at 1 GiB at the stage prepare: a list above that is a page fault "
        "without a handler. qboot leaves the list on its stack, in memory that nothing reserves.",
    ),
    "cmdline_paddr": Role(
        VMM,
        PVH + ", which copies its low half to hdr.cmd_line_ptr",
        "0 means none. QEMU gives an address even for an empty command line. The text itself is read later, by "
        "copy_bootdata.",
    ),
    "rsdp_paddr": Role(
        VMM,
        "ACPI's start-up code, through pvh_get_root_pointer; in kernels from 2026 on init_pvh_bootparams",
        "0 means that the guest must search for the root pointer, or has no ACPI. Firecracker leaves it 0 although "
        "there is one.",
    ),
    "memmap_paddr": Role(
        VMM,
        PVH,
        "Read through the direct map, which ends at 1 GiB at the stage prepare. Only from version 1 on, and only if "
        "memmap_entries is not 0.",
    ),
    "memmap_entries": Role(
        VMM,
        PVH,
        "0 means that there is no map. Linux copies as many entries as this says, yet keeps the count in 8 bits: 256 "
        "becomes 0, and from 129 on the table in boot_params overflows.",
    ),
    "reserved": Role(VMM, NOBODY, "Keeps the size a multiple of 8. It must be 0, for versions to come."),
}

MODLIST_ENTRY = {
    "paddr": Role(
        VMM,
        PVH + ", the first entry's alone: its low half becomes hdr.ramdisk_image",
        "A module above 4 GiB loses its upper half here. In the RFC's protocol the second module is the memory map.",
    ),
    "size": Role(
        VMM,
        PVH + ", the first entry's alone: its low half becomes hdr.ramdisk_size",
        "0 is as good as no ramdisk. A kernel with the RFC of 2017 does not look at the second module's size.",
    ),
    "cmdline_paddr": Role(
        VMM,
        "not Linux; Xen's hvmloader and FreeBSD tell modules apart by it",
        "What a module's text means is left to the guest. A kernel with the RFC of 2017 takes the second module for "
        'the memory map if its text is exactly "e820 data". qboot leaves garbage here.',
    ),
    "reserved": Role(VMM, NOBODY, "It must be 0; qboot leaves garbage here, and nobody minds."),
}

_COPIED = PVH + ", which copies it to boot_params.e820_table as it stands"

MEMMAP_TABLE_ENTRY = {
    "addr": Role(VMM, _COPIED, "Ranges need not be sorted or aligned; Linux sorts its own copy later."),
    "size": Role(VMM, _COPIED, "An empty range is copied too and dropped when e820_table is made."),
    "type": Role(VMM, _COPIED, "An ACPI address range type. Where ranges overlap the higher number wins in Linux."),
    "reserved": Role(VMM, NOBODY, "It must be 0; the copy in boot_params has no room for it."),
}
