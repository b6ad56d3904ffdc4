"""Roles of the e820 tables, and what each type means. Facts: Linux arch/x86/kernel/e820.c; ACPI 6.5, 15.4."""

from __future__ import annotations

from pvhdbg.abi.roles.actors import IN_PVH, Role

_WRITTEN = IN_PVH + ", otherwise the boot loader or the kernel's real-mode code"
_READ = "e820__memory_setup_default, which builds *e820_table from it"

BOOT_E820_ENTRY = {
    "addr": Role(
        _WRITTEN, _READ, "A physical address. Entries have 20 bytes and no padding, so most of them are unaligned."
    ),
    "size": Role(_WRITTEN, _READ, "e820__update_table drops empty ranges."),
    "type": Role(
        _WRITTEN,
        _READ,
        "Linux gives only RAM to its allocator. Where ranges overlap, the higher type number wins. Linux does not use "
        "ranges of a type that it does not know.",
    ),
}

E820_TABLE = {
    "nr_entries": Role(
        "Linux, as it adds entries to *e820_table; in the RFC's protocol the VMM, at the start of module 1",
        "all code that walks the table; in the RFC's protocol init_pvh_bootparams",
        "A 32-bit count; boot_params has only 8 bits for it. A kernel with the RFC of 2017 copies this many entries, "
        "even past the end of boot_params.",
    ),
}

E820_TYPES = {
    1: "Memory that the kernel can use freely. Most of it goes to the page allocator.",
    2: "The kernel must not use it: it holds firmware, device registers, or nothing at all. Linux adds the ISA range, "
    "0xa0000 to 0xfffff, with this type.",
    3: "Memory with ACPI tables. The kernel may reuse it after it has read them; Linux keeps them.",
    4: "Memory of the firmware, which must survive sleep. The kernel leaves it alone and preserves it.",
    5: "Memory with errors. Linux as Xen's control domain also maps pages of other domains into such ranges.",
    6: "Memory that is present but not enabled. Linux has no name for this type, and does not use the memory.",
    7: "Persistent memory. Drivers make a disk or a file system of it; the page allocator does not use it.",
    12: "Persistent memory, as firmware marked it before ACPI had a type for it. Linux treats it like type 7, PMEM.",
    0xEFFFFFFF: "RAM reserved for a special purpose. Linux leaves it to drivers. Only a memory map from EFI has it.",
}
