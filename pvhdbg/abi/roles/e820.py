"""Roles of the e820 tables, and what each type means. Facts: Linux arch/x86/kernel/e820.c; ACPI 6.5, 15.4."""

from __future__ import annotations

from pvhdbg.abi.roles.actors import IN_PVH, Role

_WRITTEN = IN_PVH + ", otherwise the boot loader or the kernel's real-mode code"
_READ = "e820__memory_setup_default, which builds *e820_table from it"

BOOT_E820_ENTRY = {
    "addr": Role(
        _WRITTEN, _READ, "A physical address. Entries are 20 bytes long without padding, so most are unaligned."
    ),
    "size": Role(_WRITTEN, _READ, "e820__update_table drops empty ranges."),
    "type": Role(
        _WRITTEN,
        _READ,
        "Linux gives only RAM to its allocator. If ranges overlap, Linux uses the higher type number. Linux does not "
        "use ranges of an unknown type.",
    ),
}

E820_TABLE = {
    "nr_entries": Role(
        "Linux, as it adds entries to *e820_table; in the 2017 RFC protocol the VMM, at the start of module 1",
        "all code that walks the table; in the 2017 RFC protocol, init_pvh_bootparams",
        "A 32-bit count; boot_params has only 8 bits for it. A kernel built with the 2017 RFC patches copies this many "
        "entries, even past the end of boot_params.",
    ),
}

E820_TYPES = {
    1: "Memory that the kernel can use freely. Most of it goes to the page allocator.",
    2: "The kernel must not use the range: it holds firmware, device registers, or nothing at all. Linux adds the ISA "
    "range, 0xa0000 to 0xfffff, with this type.",
    3: "Memory with ACPI tables. A kernel may reuse the memory after it has read the tables; Linux keeps them.",
    4: "Memory of the firmware, whose contents must survive sleep. The kernel does not use it, and preserves it.",
    5: "Memory with errors. Xen's control domain also maps pages of other domains into ranges of this type.",
    6: "Memory that is present but not enabled. Linux has no name for this type, and does not use the memory.",
    7: "Persistent memory. Drivers present it as a disk or a file system; the page allocator does not use it.",
    12: "Persistent memory, as firmware marked it before ACPI had a type for it. Linux treats it like type 7, PMEM.",
    0xEFFFFFFF: "RAM reserved for a special purpose. Linux leaves it to drivers. Only EFI memory maps have this type.",
}
