"""struct hvm_start_info, hvm_modlist_entry and hvm_memmap_table_entry: what the VMM passes to a PVH guest.

Source: Xen xen/include/public/arch-x86/hvm/start_info.h. Little endian, natural alignment, no padding. An address
of 0 means "not present".
"""

from __future__ import annotations

from pvhdbg.abi.e820 import E820_TYPES
from pvhdbg.abi.layout import Bits, Name, Struct, hex, u32, u64  # noqa: A004

SOURCE = "Xen xen/include/public/arch-x86/hvm/start_info.h"
MAGIC = 0x336EC578
SIZE_V0 = 40

RSDP_SIGNATURE = b"RSD PTR "
RSDP_SIZE_V1, RSDP_SIZE, RSDP_REVISION = 20, 36, 15
"""The ACPI root pointer at rsdp_paddr (ACPI 6.5, 5.2.5.3): its size in ACPI 1.0, its size in revision 2 and later, and
the offset of its revision byte."""

SIF_FLAGS = Bits(
    {
        0x1: Name("PRIVILEGED", "the guest may make privileged hypercalls"),
        0x2: Name("INITDOMAIN", "the guest is the control domain (dom0)"),
        0x4: Name("MULTIBOOT_MOD", "mod_start is a multiboot module (paravirtual guests)"),
        0x8: Name("MOD_START_PFN", "mod_start is a page frame number (paravirtual guests)"),
        0x10: Name("VIRT_P2M_4TOOLS", "Xen's tools accept a virtually mapped p2m list (paravirtual guests)"),
    }
)


class StartInfo(Struct, size=56, c_name="hvm_start_info", source=SOURCE):
    """struct hvm_start_info. Version 0 ends at 0x28; version 1 adds the memory map."""

    # fmt: off
    magic          = u32(0x00, "must be 0x336ec578", hex)
    version        = u32(0x04, "version of the structure; 1 adds the memory map")
    flags          = u32(0x08, "SIF_* flags", hex, names=SIF_FLAGS)
    nr_modules     = u32(0x0C, "number of modules")
    modlist_paddr  = u64(0x10, "module list; module 0 is the ramdisk", hex, points_to="hvm_modlist_entry")
    cmdline_paddr  = u64(0x18, "command line, NUL-terminated", hex, points_to="string")
    rsdp_paddr     = u64(0x20, "ACPI root pointer (RSDP)", hex, points_to="rsdp")
    memmap_paddr   = u64(0x28, "memory map", hex, points_to="hvm_memmap_table_entry", since=1)
    memmap_entries = u32(0x30, "number of memory map entries; 0: no map", since=1)
    reserved       = u32(0x34, "must be 0", hex, since=1)
    # fmt: on


class ModlistEntry(Struct, size=32, c_name="hvm_modlist_entry", source=SOURCE):
    """struct hvm_modlist_entry: a module."""

    # fmt: off
    paddr          = u64(0x00, "address of the module", hex, points_to="module")
    size           = u64(0x08, "size in bytes")
    cmdline_paddr  = u64(0x10, "command line of the module, NUL-terminated", hex, points_to="string")
    reserved       = u64(0x18, "must be 0", hex)
    # fmt: on


class MemmapTableEntry(Struct, size=24, c_name="hvm_memmap_table_entry", source=SOURCE):
    """struct hvm_memmap_table_entry: a range of the memory map."""

    # fmt: off
    addr           = u64(0x00, "start of the range", hex)
    size           = u64(0x08, "size in bytes", hex)
    type           = u32(0x10, "type of the range", names=E820_TYPES)
    reserved       = u32(0x14, "must be 0", hex)
    # fmt: on
