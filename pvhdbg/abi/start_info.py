"""struct hvm_start_info, hvm_modlist_entry and hvm_memmap_table_entry: what a PVH guest is handed.

Source: Xen xen/include/public/arch-x86/hvm/start_info.h. Little endian, natural alignment, no padding; an address
of 0 means that there is no such thing.
"""

from __future__ import annotations

from pvhdbg.abi.e820 import E820_TYPES
from pvhdbg.abi.layout import Bits, Name, Struct, hex, u32, u64  # noqa: A004

SOURCE = "Xen xen/include/public/arch-x86/hvm/start_info.h"
MAGIC = 0x336EC578
SIZE_V0 = 40

RSDP_SIGNATURE = b"RSD PTR "
RSDP_SIZE_V1, RSDP_SIZE, RSDP_REVISION = 20, 36, 15
"""ACPI's root pointer, to which rsdp_paddr leads (ACPI 6.5, 5.2.5.3): its size in ACPI 1.0 and from revision 2 on, and
where its revision is."""

SIF_FLAGS = Bits(
    {
        0x1: Name("PRIVILEGED", "the guest may make privileged hypercalls"),
        0x2: Name("INITDOMAIN", "the guest is the control domain"),
        0x4: Name("MULTIBOOT_MOD", "the modules are multiboot modules"),
        0x8: Name("MOD_START_PFN", "module addresses are page frame numbers"),
        0x10: Name("VIRT_P2M_4TOOLS", "the p2m list is mapped for the tools"),
    }
)


class StartInfo(Struct, size=56, c_name="hvm_start_info", source=SOURCE):
    """struct hvm_start_info. Version 0 ends at 0x28; version 1 has the memory map."""

    # fmt: off
    magic          = u32(0x00, "0x336ec578", hex)
    version        = u32(0x04, "1 has a memory map, 0 has none")
    flags          = u32(0x08, "SIF_* bits", hex, names=SIF_FLAGS)
    nr_modules     = u32(0x0C, "entries in the module list")
    modlist_paddr  = u64(0x10, "module list; the first module is the ramdisk", hex, points_to="hvm_modlist_entry")
    cmdline_paddr  = u64(0x18, "command line, to its NUL", hex, points_to="string")
    rsdp_paddr     = u64(0x20, "ACPI root pointer", hex, points_to="rsdp")
    memmap_paddr   = u64(0x28, "memory map", hex, points_to="hvm_memmap_table_entry", since=1)
    memmap_entries = u32(0x30, "entries in the memory map; 0: no map", since=1)
    reserved       = u32(0x34, "must be 0", hex, since=1)
    # fmt: on


class ModlistEntry(Struct, size=32, c_name="hvm_modlist_entry", source=SOURCE):
    """struct hvm_modlist_entry."""

    # fmt: off
    paddr          = u64(0x00, "where the module lies", hex, points_to="module")
    size           = u64(0x08, "its size in bytes")
    cmdline_paddr  = u64(0x10, "its command line, to its NUL", hex, points_to="string")
    reserved       = u64(0x18, "must be 0", hex)
    # fmt: on


class MemmapTableEntry(Struct, size=24, c_name="hvm_memmap_table_entry", source=SOURCE):
    """struct hvm_memmap_table_entry."""

    # fmt: off
    addr           = u64(0x00, "where the range begins", hex)
    size           = u64(0x08, "its length in bytes", hex)
    type           = u32(0x10, "what it is", names=E820_TYPES)
    reserved       = u32(0x14, "must be 0", hex)
    # fmt: on
