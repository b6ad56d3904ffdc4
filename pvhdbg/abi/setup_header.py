"""struct setup_header: the head of a bzImage, which Linux also keeps in its boot_params.

Source: Linux Documentation/arch/x86/boot.rst and arch/x86/include/uapi/asm/bootparam.h. Packed. The meaning ends
with the boot protocol that had the field first, where that is not the oldest one. PVH goes round the boot protocol:
init_pvh_bootparams sets version, type_of_loader, ramdisk_image, ramdisk_size and cmd_line_ptr; the rest stays 0.
"""

from __future__ import annotations

from pvhdbg.abi.layout import Bits, Name, OpenEnum, Struct, hex, u8, u16, u32, u64  # noqa: A004

HDR = 0x1F1
"""Where the header lies in struct boot_params, and in a bzImage: boot.rst counts from there."""

BOOT_FLAG = 0xAA55
HDRS = 0x53726448
"""`header` of a bzImage: "HdrS". QEMU takes a file that has it for a bzImage, whatever else it is."""

PVH_VERSION, RFC_VERSION = 0x020C, 0x0212
"""2.12 as PVH kernels write it, and as Linux 4.11 and its time, and the RFC of 2017, did."""

LOADER_QEMU, LOADER_XEN = 0xB0, 0x90


class _Protocol(OpenEnum):
    """The boot protocol's version: major in the high byte, minor in the low one."""

    def name(self, value: int) -> str:
        return f"{value >> 8}.{value & 0xFF:02}"

    def text(self, value: int) -> str:
        known = self.names.get(value)
        return f"{known.name}: {known.meaning}" if known else self.name(value)


class _Loader(OpenEnum):
    """The boot loader: its identifier in the high nibble, its version in the low one."""

    def name(self, value: int) -> str:
        return super().name(value >> 4)

    def text(self, value: int) -> str:
        known = self.names.get(value >> 4)
        return f"{known.name}, version {value & 0xF}" if known else f"unknown ({value:#x})"


PROTOCOLS = _Protocol(
    {
        0x0000: Name("0.00", "not set"),
        0x020E: Name("2.14", "never meant to be used, as 2.13"),
        0x0212: Name("2.18", "no such protocol; 2.12 as Linux 4.11 and its time wrote it, 0x212 for (2 << 8) | 12"),
    }
)
LOADERS = _Loader(
    {
        0x0: Name("LILO"),
        0x1: Name("Loadlin"),
        0x2: Name("bootsect-loader"),
        0x3: Name("Syslinux"),
        0x4: Name("Etherboot/gPXE/iPXE"),
        0x5: Name("ELILO"),
        0x7: Name("GRUB"),
        0x8: Name("U-Boot"),
        0x9: Name("Xen"),
        0xA: Name("Gujin"),
        0xB: Name("QEMU"),
        0xC: Name("Arcturus Networks uCbootloader"),
        0xD: Name("kexec-tools"),
        0xE: Name("extended, see ext_loader_type"),
        0xF: Name("special, 0xff has no identifier"),
    }
)
EXT_LOADERS = OpenEnum(
    {
        0x00: Name("none", "type_of_loader says it all"),
        0x01: Name("Minimal Linux Bootloader", "identifier 0x11"),
        0x02: Name("OVMF", "identifier 0x12"),
    }
)
LOADFLAGS = Bits(
    {
        0x01: Name("LOADED_HIGH", "the protected-mode code lies at 0x100000"),
        0x02: Name("KASLR_FLAG", "the decompressor moved the kernel to a random address"),
        0x20: Name("QUIET_FLAG", "no early messages"),
        0x40: Name("KEEP_SEGMENTS", "do not reload the segments at the 32-bit entry; obsolete"),
        0x80: Name("CAN_USE_HEAP", "heap_end_ptr is valid"),
    }
)
XLOADFLAGS = Bits(
    {
        0x01: Name("XLF_KERNEL_64", "there is a 64-bit entry at 0x200"),
        0x02: Name("XLF_CAN_BE_LOADED_ABOVE_4G", "kernel, boot_params, command line and ramdisk may lie above 4 GiB"),
        0x04: Name("XLF_EFI_HANDOVER_32", "there is a 32-bit EFI handover entry"),
        0x08: Name("XLF_EFI_HANDOVER_64", "there is a 64-bit EFI handover entry"),
        0x10: Name("XLF_EFI_KEXEC", "kexec with EFI runtime services works"),
        0x20: Name("XLF_5LEVEL", "the kernel knows 5-level paging"),
        0x40: Name("XLF_5LEVEL_ENABLED", "the kernel uses 5-level paging where the CPU has it"),
        0x80: Name("XLF_MEM_ENCRYPTION", "the kernel knows memory encryption"),
    }
)
RAM_SIZE_FLAGS = Bits(
    {
        0x4000: Name("RAMDISK_LOAD_FLAG", "load a ramdisk"),
        0x8000: Name("RAMDISK_PROMPT_FLAG", "ask for it first"),
    }
)
SUBARCHS = OpenEnum(
    {
        0: Name("PC", "also a PVH guest"),
        1: Name("LGUEST"),
        2: Name("XEN", "a paravirtual guest, not PVH"),
        3: Name("INTEL_MID", "Moorestown and its like"),
        4: Name("CE4100", "the CE4100 TV platform"),
    }
)


class SetupHeader(Struct, size=123, c_name="setup_header", source="Linux arch/x86/include/uapi/asm/bootparam.h"):
    """struct setup_header."""

    # fmt: off
    setup_sects           = u8( 0x1F1 - HDR, "512-byte sectors of real-mode code after the first; 0 means 4")
    root_flags            = u16(0x1F2 - HDR, "not 0: the root file system is mounted read-only")
    syssize               = u32(0x1F4 - HDR, "protected-mode code, in 16-byte units; two bytes wide before 2.04")
    ram_size              = u16(0x1F8 - HDR, "flags for a ramdisk on floppies; obsolete", hex, names=RAM_SIZE_FLAGS)
    vid_mode              = u16(0x1FA - HDR, "video mode; 0xffff normal, 0xfffe extended, 0xfffd ask", hex)
    root_dev              = u16(0x1FC - HDR, "root device, major and minor number; the command line's root= wins", hex)
    boot_flag             = u16(0x1FE - HDR, "0xaa55 in a bzImage", hex)
    jump                  = u16(0x200 - HDR, "jump over the header; its second byte tells the header's end (2.00)", hex)
    header                = u32(0x202 - HDR, "0x53726448, \"HdrS\", in a bzImage (2.00)", hex)
    version               = u16(0x206 - HDR, "boot protocol, major << 8 | minor (2.00)", hex, names=PROTOCOLS)
    realmode_swtch        = u32(0x208 - HDR, "real-mode hook called before protected mode (2.00)", hex)
    start_sys_seg         = u16(0x20C - HDR, "load segment; obsolete (2.00)", hex)
    kernel_version        = u16(0x20E - HDR, "file offset of the version string, less 0x200 (2.00)", hex)
    type_of_loader        = u8( 0x210 - HDR, "boot loader, identifier << 4 | version (2.00)", hex, names=LOADERS)
    loadflags             = u8( 0x211 - HDR, "how the kernel was loaded (2.00)", hex, names=LOADFLAGS)
    setup_move_size       = u16(0x212 - HDR, "bytes of real-mode code to move to 0x90000 (2.00)", hex)
    code32_start          = u32(0x214 - HDR, "where protected-mode code is jumped to (2.00)", hex, points_to="code")
    ramdisk_image         = u32(0x218 - HDR, "the ramdisk, low half of the address (2.00)", hex, points_to="module")
    ramdisk_size          = u32(0x21C - HDR, "its size in bytes, low half (2.00)")
    bootsect_kludge       = u32(0x220 - HDR, "the kernel's own, obsolete (2.00)", hex)
    heap_end_ptr          = u16(0x224 - HDR, "end of the heap less 0x200, from the real-mode code on (2.01)", hex)
    ext_loader_ver        = u8( 0x226 - HDR, "added to the version in type_of_loader, << 4 (2.02)")
    ext_loader_type       = u8( 0x227 - HDR, "identifier - 0x10, if type_of_loader has 0xe (2.02)", names=EXT_LOADERS)
    cmd_line_ptr          = u32(0x228 - HDR, "command line, low half of the address (2.02)", hex, points_to="string")
    initrd_addr_max       = u32(0x22C - HDR, "highest address the ramdisk's last byte may have (2.03)", hex)
    kernel_alignment      = u32(0x230 - HDR, "alignment that a relocatable kernel wants, in bytes (2.05)", hex)
    relocatable_kernel    = u8( 0x234 - HDR, "not 0: the kernel may be loaded anywhere aligned (2.05)")
    min_alignment         = u8( 0x235 - HDR, "least alignment the kernel boots with, as a power of two (2.10)")
    xloadflags            = u16(0x236 - HDR, "what the kernel is capable of (2.12)", hex, names=XLOADFLAGS)
    cmdline_size          = u32(0x238 - HDR, "longest command line in bytes, without its NUL (2.06)")
    hardware_subarch      = u32(0x23C - HDR, "kind of machine, where it can't be told otherwise (2.07)", names=SUBARCHS)
    hardware_subarch_data = u64(0x240 - HDR, "for hardware_subarch (2.07)", hex)
    payload_offset        = u32(0x248 - HDR, "compressed vmlinux, from the protected-mode code on (2.08)", hex)
    payload_length        = u32(0x24C - HDR, "its size in bytes (2.08)")
    setup_data            = u64(0x250 - HDR, "list of extra data, 0 if none (2.09)", hex, points_to="setup_data")
    pref_address          = u64(0x258 - HDR, "where the kernel would like to be loaded (2.10)", hex)
    init_size             = u32(0x260 - HDR, "memory the kernel needs before it reads the map, in bytes (2.10)", hex)
    handover_offset       = u32(0x264 - HDR, "EFI handover entry, from the protected-mode code on (2.11)", hex)
    kernel_info_offset    = u32(0x268 - HDR, "kernel_info, from the protected-mode code on (2.15)", hex)
    # fmt: on
