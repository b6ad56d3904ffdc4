"""struct boot_params, the zero page: the boot data that every x86 Linux starts with.

Source: Linux arch/x86/include/uapi/asm/bootparam.h and Documentation/arch/x86/zero-page.rst. 4096 bytes, packed.
In a PVH boot, init_pvh_bootparams builds pvh_bootparams from hvm_start_info, and Linux later copies it to boot_params.
"""

from __future__ import annotations

from pvhdbg.abi.e820 import ZERO_PAGE_ENTRIES, BootE820Entry
from pvhdbg.abi.layout import (
    Name,
    OpenEnum,
    Struct,
    hex,  # noqa: A004
    raw_bytes,
    struct,
    struct_array,
    u8,
    u32,
    u32_array,
    u64,
)
from pvhdbg.abi.setup_header import HDR, SetupHeader
from pvhdbg.abi.zero_page_parts import (
    BOOTPARAM_H,
    ApmBiosInfo,
    EddInfo,
    EdidInfo,
    EfiInfo,
    IstInfo,
    OlpcOfwHeader,
    ScreenInfo,
    SysDescTable,
)

COMMAND_LINE_SIZE = 2048
"""How many bytes of the command line Linux copies, including the NUL (arch/x86/include/asm/setup.h)."""

SECURE_BOOT = OpenEnum(
    {
        0: Name("efi_secureboot_mode_unset", "not checked"),
        1: Name("efi_secureboot_mode_unknown", "could not be determined"),
        2: Name("efi_secureboot_mode_disabled"),
        3: Name("efi_secureboot_mode_enabled"),
    }
)


class BootParams(Struct, size=4096, c_name="boot_params", source=BOOTPARAM_H):
    """struct boot_params: the zero page."""

    # fmt: off
    screen_info             = struct(0x000, ScreenInfo, "display")
    apm_bios_info           = struct(0x040, ApmBiosInfo, "APM BIOS")
    _pad2                   = raw_bytes(0x054, 4, "padding")
    tboot_addr              = u64(0x058, "shared page of tboot (Intel TXT)", hex, points_to="bytes")
    ist_info                = struct(0x060, IstInfo, "Intel SpeedStep BIOS")
    acpi_rsdp_addr          = u64(0x070, "ACPI root pointer (RSDP); 0: search for it", hex, points_to="rsdp")
    _pad3                   = raw_bytes(0x078, 8, "padding")
    hd0_info                = raw_bytes(0x080, 16, "BIOS parameters of the first disk; obsolete")
    hd1_info                = raw_bytes(0x090, 16, "BIOS parameters of the second disk; obsolete")
    sys_desc_table          = struct(0x0A0, SysDescTable, "BIOS system description; obsolete")
    olpc_ofw_header         = struct(0x0B0, OlpcOfwHeader, "Open Firmware of an OLPC laptop")
    ext_ramdisk_image       = u32(0x0C0, "high 32 bits of hdr.ramdisk_image", hex)
    ext_ramdisk_size        = u32(0x0C4, "high 32 bits of hdr.ramdisk_size", hex)
    ext_cmd_line_ptr        = u32(0x0C8, "high 32 bits of hdr.cmd_line_ptr", hex)
    _pad4                   = raw_bytes(0x0CC, 112, "padding")
    cc_blob_address         = u32(0x13C, "confidential computing blob (AMD SEV-SNP)", hex, points_to="bytes")
    edid_info               = struct(0x140, EdidInfo, "EDID of the monitor")
    efi_info                = struct(0x1C0, EfiInfo, "EFI tables")
    alt_mem_k               = u32(0x1E0, "memory above 1 MiB, in KiB (int 0x15, AX=0xe801)")
    scratch                 = u32(0x1E4, "scratch space for the kernel's early code", hex)
    e820_entries            = u8( 0x1E8, "number of entries in e820_table")
    eddbuf_entries          = u8( 0x1E9, "number of entries in eddbuf")
    edd_mbr_sig_buf_entries = u8( 0x1EA, "number of entries in edd_mbr_sig_buffer")
    kbd_status              = u8( 0x1EB, "state of the shift and lock keys (int 0x16, AH=0x02)", hex)
    secure_boot             = u8( 0x1EC, "EFI Secure Boot state", names=SECURE_BOOT)
    _pad5                   = raw_bytes(0x1ED, 2, "padding")
    sentinel                = u8( 0x1EF, "must be 0, or the kernel clears fields that boot loaders leave dirty", hex)
    _pad6                   = raw_bytes(0x1F0, 1, "padding")
    hdr                     = struct(HDR, SetupHeader, "setup header: PVH sets 5 fields")
    _pad7                   = raw_bytes(0x26C, 36, "padding")
    edd_mbr_sig_buffer      = u32_array(0x290, 16, "disk signatures from the boot sectors of the BIOS drives")
    e820_table              = struct_array(0x2D0, BootE820Entry, ZERO_PAGE_ENTRIES, "memory map")
    _pad8                   = raw_bytes(0xCD0, 48, "padding")
    eddbuf                  = struct_array(0xD00, EddInfo, 6, "BIOS drives")
    _pad9                   = raw_bytes(0xEEC, 276, "padding")
    # fmt: on
