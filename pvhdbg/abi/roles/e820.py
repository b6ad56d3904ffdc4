"""Roles of the e820 tables, and what each type means. Facts: Linux arch/x86/kernel/e820.c; ACPI 6.5, 15.4."""

from __future__ import annotations

from pvhdbg.abi.roles.words import PVH, Role

_WRITTEN = PVH + "; outside PVH the boot loader, or the kernel's real-mode code"
_READ = "e820__memory_setup_default, which fills *e820_table from it"

BOOT_E820_ENTRY = {
    "addr": Role(_WRITTEN, _READ, "Physical. Entries are 20 bytes without padding, so most addresses are unaligned."),
    "size": Role(_WRITTEN, _READ, "Empty ranges are dropped by e820__update_table."),
    "type": Role(
        _WRITTEN,
        _READ,
        "Only RAM is given to the allocator. Where ranges overlap the higher type number wins; a type that Linux does "
        "not know counts as not usable.",
    ),
}

E820_TABLE = {
    "nr_entries": Role(
        "Linux, as it adds to *e820_table; in the RFC's protocol the VMM, at the start of the second module",
        "all who walk the table; in the RFC's protocol init_pvh_bootparams",
        "A full 32-bit count, where boot_params has only 8 bits. The RFC's kernel copies as many entries as this "
        "says, past the end of boot_params if need be.",
    ),
}

E820_TYPES = {
    1: "Memory that the kernel may use as it likes. Most of it goes to the page allocator.",
    2: "Not to be touched: firmware, device registers, or nothing at all. Linux reserves 0xa0000 to 0xfffff so.",
    3: "ACPI tables. The memory may be used once the kernel has read them; Linux keeps them.",
    4: "The firmware's own, which must outlast sleep. The kernel neither uses nor loses it.",
    5: "Memory with errors. Linux as Xen's control domain also maps other domains' pages into such ranges.",
    6: "Memory that is there but not switched on. Linux has no name for it and treats it as not usable.",
    7: "Persistent memory. Drivers make a disk or a file system of it; the page allocator leaves it alone.",
    12: "Persistent memory, as firmware marked it before ACPI had a type for it. Treated as type 7 is.",
    0xEFFFFFFF: "RAM kept for a special use. Linux leaves it to drivers. EFI's memory map alone has it.",
}
