"""The e820 memory map: its types, the kernel's packed entry, and the "e820 data" module of the 2017 RFC protocol.

Sources: Linux arch/x86/include/asm/e820/types.h; arch/x86/include/uapi/asm/setup_data.h (bootparam.h before 6.10) for
boot_e820_entry; ACPI 6.5, table 15.4, for types 1 to 7; the 2017 RFC patches for the module.
"""

from __future__ import annotations

from pvhdbg.abi.layout import Name, OpenEnum, Struct, hex, u32, u64  # noqa: A004
from pvhdbg.named_tuple import NamedTuple

E820_DATA = b"e820 data"
"""The command line of the module that holds the map in the 2017 RFC protocol: exactly these nine bytes and a NUL."""

ISA_START, ISA_SIZE = 0xA0000, 0x60000
"""The ISA range, which init_pvh_bootparams adds as RESERVED (ISA_START_ADDRESS to ISA_END_ADDRESS)."""

ZERO_PAGE_ENTRIES = 128
"""E820_MAX_ENTRIES_ZEROPAGE: the capacity of boot_params.e820_table, in entries."""

E820_TYPES = OpenEnum(
    {
        1: Name("RAM", "usable memory"),
        2: Name("RESERVED", "not to be used"),
        3: Name("ACPI", "ACPI tables, usable after they are read"),
        4: Name("NVS", "firmware data, preserved across sleep"),
        5: Name("UNUSABLE", "memory with errors"),
        6: Name("DISABLED", "memory that is not enabled; Linux has no name for this type"),
        7: Name("PMEM", "persistent memory"),
        12: Name("PRAM", "persistent memory, as firmware marked it before ACPI 6"),
        0xEFFFFFFF: Name("SOFT_RESERVED", "usable memory reserved for a special purpose"),
    }
)
RAM, RESERVED = 1, 2

MEMMAP, E820_MODULE, NO_MAP, HYPERCALL = "memmap", "e820-module", "none", "hypercall"
"""How a VMM passes a map: as the table of start_info version 1, as a module "e820 data", or not at all."""


class MapEntry(NamedTuple):
    """A map entry of either layout, decoded. A record decodes a field at each access, which is slow for long maps."""

    addr: int
    size: int
    type: int

    @property
    def end(self) -> int:
        """The address after the last byte; above 2^64 if the entry wraps around."""
        return self.addr + self.size


class BootE820Entry(Struct, size=20, c_name="boot_e820_entry", source="Linux arch/x86/include/uapi/asm/setup_data.h"):
    """struct boot_e820_entry, packed: an entry of boot_params.e820_table, *e820_table or an "e820 data" module."""

    # fmt: off
    addr = u64(0x00, "start of the range", hex)
    size = u64(0x08, "size in bytes", hex)
    type = u32(0x10, "type of the range", names=E820_TYPES)
    # fmt: on


class E820Table(Struct, size=4, c_name="e820_table", source="Linux arch/x86/include/asm/e820/types.h"):
    """The head of struct e820_table; packed entries follow at +4. An "e820 data" module has the same layout."""

    nr_entries = u32(0x00, "number of entries that follow")


def blob_size(entries: int) -> int:
    """Return the size in bytes of a struct e820_table with this many entries."""
    return E820Table.SIZE + entries * BootE820Entry.SIZE
