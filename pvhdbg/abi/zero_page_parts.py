"""The structures nested in struct boot_params, except setup_header and the e820 entries.

Source: Linux include/uapi/linux/{screen_info,apm_bios,edd}.h, arch/x86/include/uapi/asm/{bootparam,ist}.h,
include/uapi/video/edid.h. In a PVH guest they are all 0, except screen_info and efi_info of Xen's control domain.
"""

from __future__ import annotations

from pvhdbg.abi.layout import Bits, Name, OpenEnum, Struct, hex, raw_bytes, struct, u8, u16, u32, u64  # noqa: A004

BOOTPARAM_H = "Linux arch/x86/include/uapi/asm/bootparam.h"
EDD_H = "Linux include/uapi/linux/edd.h"

VIDEO_TYPES = OpenEnum(
    {
        0x00: Name("none", "no display"),
        0x01: Name("VGA", "VGA text mode, found by the real-mode code"),
        0x10: Name("VIDEO_TYPE_MDA", "monochrome text"),
        0x11: Name("VIDEO_TYPE_CGA", "CGA"),
        0x20: Name("VIDEO_TYPE_EGAM", "EGA, monochrome"),
        0x21: Name("VIDEO_TYPE_EGAC", "EGA, color"),
        0x22: Name("VIDEO_TYPE_VGAC", "VGA text, color"),
        0x23: Name("VIDEO_TYPE_VLFB", "VESA frame buffer"),
        0x70: Name("VIDEO_TYPE_EFI", "EFI frame buffer"),
    }
)
VIDEO_FLAGS = Bits({0x1: Name("VIDEO_FLAGS_NOCURSOR", "the display has no cursor")})
VIDEO_CAPABILITIES = Bits(
    {
        0x1: Name("VIDEO_CAPABILITY_SKIP_QUIRKS", "drivers apply no quirks"),
        0x2: Name("VIDEO_CAPABILITY_64BIT_BASE", "ext_lfb_base holds the high 32 bits of the address"),
    }
)
APM_FLAGS = Bits(
    {
        0x01: Name("APM_16_BIT_SUPPORT", "16-bit interface"),
        0x02: Name("APM_32_BIT_SUPPORT", "32-bit interface"),
        0x04: Name("APM_IDLE_SLOWS_CLOCK", "the CPU slows down in idle calls"),
        0x08: Name("APM_BIOS_DISABLED", "disabled"),
        0x10: Name("APM_BIOS_DISENGAGED", "disengaged"),
    }
)
EDD_INTERFACE = Bits(
    {
        0x1: Name("EDD_EXT_FIXED_DISK_ACCESS", "reads and writes by block number"),
        0x2: Name("EDD_EXT_DEVICE_LOCKING_AND_EJECTING", "locks and ejects"),
        0x4: Name("EDD_EXT_ENHANCED_DISK_DRIVE_SUPPORT", "reports the drive's parameters"),
        0x8: Name("EDD_EXT_64BIT_EXTENSIONS", "64-bit extensions"),
    }
)
EDD_INFO = Bits(
    {
        0x01: Name("EDD_INFO_DMA_BOUNDARY_ERROR_TRANSPARENT", "DMA boundary errors are handled"),
        0x02: Name("EDD_INFO_GEOMETRY_VALID", "the geometry is valid"),
        0x04: Name("EDD_INFO_REMOVABLE", "removable"),
        0x08: Name("EDD_INFO_WRITE_VERIFY", "writes can be verified"),
        0x10: Name("EDD_INFO_MEDIA_CHANGE_NOTIFICATION", "reports media changes"),
        0x20: Name("EDD_INFO_LOCKABLE", "can be locked"),
        0x40: Name("EDD_INFO_NO_MEDIA_PRESENT", "no medium present; the geometry is the maximum"),
        0x80: Name("EDD_INFO_USE_INT13_FN50", "needs int 0x13, AH=0x50"),
    }
)


class ScreenInfo(Struct, size=64, c_name="screen_info", source="Linux include/uapi/linux/screen_info.h"):
    """struct screen_info: the display, as the firmware or the boot loader left it."""

    # fmt: off
    orig_x            = u8( 0x00, "cursor column")
    orig_y            = u8( 0x01, "cursor row")
    ext_mem_k         = u16(0x02, "memory above 1 MiB, in KiB (int 0x15, AH=0x88)")
    orig_video_page   = u16(0x04, "display page")
    orig_video_mode   = u8( 0x06, "BIOS video mode", hex)
    orig_video_cols   = u8( 0x07, "text columns")
    flags             = u8( 0x08, "VIDEO_FLAGS_*", hex, names=VIDEO_FLAGS)
    unused2           = u8( 0x09, "unused", hex)
    orig_video_ega_bx = u16(0x0A, "BX of int 0x10, AH=0x12, BL=0x10: EGA or VGA, and its memory size", hex)
    unused3           = u16(0x0C, "unused", hex)
    orig_video_lines  = u8( 0x0E, "text rows")
    orig_video_isVGA  = u8( 0x0F, "kind of display", hex, names=VIDEO_TYPES)  # noqa: N815  the kernel's name
    orig_video_points = u16(0x10, "height of a character, in scan lines")
    lfb_width         = u16(0x12, "frame buffer: width in pixels")
    lfb_height        = u16(0x14, "frame buffer: height in pixels")
    lfb_depth         = u16(0x16, "frame buffer: bits per pixel")
    lfb_base          = u32(0x18, "frame buffer: physical address, low 32 bits", hex, points_to="bytes")
    lfb_size          = u32(0x1C, "frame buffer: size in bytes (EFI) or in units of 64 KiB (VESA)", hex)
    cl_magic          = u16(0x20, "0xa33f: the command line is at cl_offset (before boot protocol 2.02)", hex)
    cl_offset         = u16(0x22, "offset of the command line in the real-mode code (before boot protocol 2.02)", hex)
    lfb_linelength    = u16(0x24, "frame buffer: bytes per line")
    red_size          = u8( 0x26, "red: number of bits")
    red_pos           = u8( 0x27, "red: lowest bit")
    green_size        = u8( 0x28, "green: number of bits")
    green_pos         = u8( 0x29, "green: lowest bit")
    blue_size         = u8( 0x2A, "blue: number of bits")
    blue_pos          = u8( 0x2B, "blue: lowest bit")
    rsvd_size         = u8( 0x2C, "reserved: number of bits")
    rsvd_pos          = u8( 0x2D, "reserved: lowest bit")
    vesapm_seg        = u16(0x2E, "VESA protected-mode interface: segment", hex)
    vesapm_off        = u16(0x30, "VESA protected-mode interface: offset", hex)
    pages             = u16(0x32, "VESA: number of image pages")
    vesa_attributes   = u16(0x34, "VESA: mode attributes", hex)
    capabilities      = u32(0x36, "VIDEO_CAPABILITY_*", hex, names=VIDEO_CAPABILITIES)
    ext_lfb_base      = u32(0x3A, "frame buffer: physical address, high 32 bits", hex)
    _reserved         = raw_bytes(0x3E, 2, "reserved")
    # fmt: on


class ApmBiosInfo(Struct, size=20, c_name="apm_bios_info", source="Linux include/uapi/linux/apm_bios.h"):
    """struct apm_bios_info: the 32-bit interface of the APM BIOS, from int 0x15, AX=0x5303."""

    # fmt: off
    version     = u16(0x00, "APM version in BCD: 0x0102 is 1.2", hex)
    cseg        = u16(0x02, "32-bit code segment, real-mode base", hex)
    offset      = u32(0x04, "offset of the entry in the 32-bit code segment", hex)
    cseg_16     = u16(0x08, "16-bit code segment, real-mode base", hex)
    dseg        = u16(0x0A, "data segment, real-mode base", hex)
    flags       = u16(0x0C, "APM_* flags", hex, names=APM_FLAGS)
    cseg_len    = u16(0x0E, "length of the 32-bit code segment in bytes")
    cseg_16_len = u16(0x10, "length of the 16-bit code segment in bytes")
    dseg_len    = u16(0x12, "length of the data segment in bytes")
    # fmt: on


class IstInfo(Struct, size=16, c_name="ist_info", source="Linux arch/x86/include/uapi/asm/ist.h"):
    """struct ist_info: Intel SpeedStep, as the registers that int 0x15, AX=0xe980 returns."""

    # fmt: off
    signature  = u32(0x00, "EAX: signature of the BIOS", hex)
    command    = u32(0x04, "EBX: SMI command and its port", hex)
    event      = u32(0x08, "ECX: event and its port", hex)
    perf_level = u32(0x0C, "EDX: performance levels", hex)
    # fmt: on


class SysDescTable(Struct, size=16, c_name="sys_desc_table", source=BOOTPARAM_H):
    """struct sys_desc_table: the BIOS's description of the machine (int 0x15, AH=0xc0). Obsolete; identified Micro
    Channel machines.
    """

    # fmt: off
    length = u16(0x00, "number of bytes that follow")
    table  = raw_bytes(0x02, 14, "model, submodel, BIOS revision, feature bytes")
    # fmt: on


class OlpcOfwHeader(Struct, size=16, c_name="olpc_ofw_header", source=BOOTPARAM_H):
    """struct olpc_ofw_header: the Open Firmware of an OLPC laptop."""

    # fmt: off
    ofw_magic      = u32(0x00, "0x2057464f, \"OFW \"", hex)
    ofw_version    = u32(0x04, "version")
    cif_handler    = u32(0x08, "address of the client interface, through which Linux calls the firmware", hex)
    irq_desc_table = u32(0x0C, "address of the interrupt descriptor table", hex)
    # fmt: on


class EdidInfo(Struct, size=128, c_name="edid_info", source="Linux include/uapi/video/edid.h"):
    """struct edid_info: what the monitor reports about itself."""

    dummy = raw_bytes(0x00, 128, "EDID block of the monitor, from VESA DDC")


class EfiInfo(Struct, size=32, c_name="efi_info", source=BOOTPARAM_H):
    """struct efi_info: where the EFI tables are. Each address is in two 32-bit halves."""

    # fmt: off
    efi_loader_signature = u32(0x00, "\"EL32\" or \"EL64\": 32-bit or 64-bit EFI firmware; 0: no EFI", hex)
    efi_systab           = u32(0x04, "address of the EFI system table, low 32 bits", hex)
    efi_memdesc_size     = u32(0x08, "size of a memory descriptor in bytes")
    efi_memdesc_version  = u32(0x0C, "version of the memory descriptors")
    efi_memmap           = u32(0x10, "address of the EFI memory map, low 32 bits", hex)
    efi_memmap_size      = u32(0x14, "size of the EFI memory map in bytes")
    efi_systab_hi        = u32(0x18, "address of the EFI system table, high 32 bits", hex)
    efi_memmap_hi        = u32(0x1C, "address of the EFI memory map, high 32 bits", hex)
    # fmt: on


class EddDeviceParams(Struct, size=74, c_name="edd_device_params", source=EDD_H):
    """struct edd_device_params, packed: the parameters of a drive, from int 0x13, AH=0x48."""

    # fmt: off
    length                  = u16(0x00, "number of bytes that the BIOS filled in")
    info_flags              = u16(0x02, "EDD_INFO_* flags", hex, names=EDD_INFO)
    num_default_cylinders   = u32(0x04, "number of cylinders")
    num_default_heads       = u32(0x08, "number of heads")
    sectors_per_track       = u32(0x0C, "sectors per track")
    number_of_sectors       = u64(0x10, "total number of sectors")
    bytes_per_sector        = u16(0x18, "bytes per sector")
    dpte_ptr                = u32(0x1A, "address of the device parameter table extension: segment << 16 | offset", hex)
    key                     = u16(0x1E, "0xbedd: a device path follows", hex)
    device_path_info_length = u8( 0x20, "size of the device path in bytes, including key")
    reserved2               = u8( 0x21, "reserved", hex)
    reserved3               = u16(0x22, "reserved", hex)
    host_bus_type           = raw_bytes(0x24, 4, "ASCII, \"PCI \" or \"ISA \"")
    interface_type          = raw_bytes(0x28, 8, "ASCII, \"ATA     \", \"SCSI    \", \"USB     \", …")
    interface_path          = raw_bytes(0x30, 8, "depends on host_bus_type: PCI bus, slot and function, or ISA port")
    device_path             = raw_bytes(0x38, 16, "depends on interface_type: which drive on the bus")
    reserved4               = u8( 0x48, "reserved", hex)
    checksum                = u8( 0x49, "makes the sum of all bytes from key to here 0", hex)
    # fmt: on


class EddInfo(Struct, size=82, c_name="edd_info", source=EDD_H):
    """struct edd_info, packed: a drive as the BIOS knows it."""

    # fmt: off
    device                   = u8( 0x00, "BIOS drive number; 0x80 is the first hard disk", hex)
    version                  = u8( 0x01, "version of the BIOS disk extensions; 0x30 is EDD 3.0", hex)
    interface_support        = u16(0x02, "EDD_EXT_* flags", hex, names=EDD_INTERFACE)
    legacy_max_cylinder      = u16(0x04, "highest cylinder number for the old BIOS calls")
    legacy_max_head          = u8( 0x06, "highest head number for the old BIOS calls")
    legacy_sectors_per_track = u8( 0x07, "sectors per track for the old BIOS calls")
    params                   = struct(0x08, EddDeviceParams, "parameters of the drive")
    # fmt: on
