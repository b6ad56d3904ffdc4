"""struct setup_header: the header of a bzImage, which is also part of boot_params.

Source: Linux Documentation/arch/x86/boot.rst and arch/x86/include/uapi/asm/bootparam.h. Packed. A meaning ends with the
first version of the boot protocol that has the field, unless every version has it. PVH bypasses the boot protocol:
init_pvh_bootparams sets version, type_of_loader, ramdisk_image, ramdisk_size and cmd_line_ptr; the rest stays 0.
"""

from __future__ import annotations

from pvhdbg.abi.layout import Bits, Name, OpenEnum, Struct, hex, u8, u16, u32, u64  # noqa: A004

HDR = 0x1F1
"""The header's offset in struct boot_params and in a bzImage. The offsets in boot.rst include it."""

BOOT_FLAG = 0xAA55
HDRS = 0x53726448
"""`header` of a bzImage: "HdrS". QEMU treats every file with this value as a bzImage, even an ELF file."""

PVH_VERSION, RFC_VERSION = 0x020C, 0x0212
"""Boot protocol 2.12 as PVH kernels write it, and as Linux 4.11 and the 2017 RFC patches wrote it."""

LOADER_QEMU, LOADER_XEN = 0xB0, 0x90


class _Protocol(OpenEnum):
    """The version of the boot protocol: major in the high byte, minor in the low byte."""

    def name(self, value: int) -> str:
        return f"{value >> 8}.{value & 0xFF:02}"

    def text(self, value: int) -> str:
        known = self.names.get(value)
        return f"{known.name}: {known.meaning}" if known else self.name(value)


class _Loader(OpenEnum):
    """The boot loader: its identifier in the high nibble, its version in the low nibble."""

    def name(self, value: int) -> str:
        return super().name(value >> 4)

    def text(self, value: int) -> str:
        known = self.names.get(value >> 4)
        return f"{known.name}, version {value & 0xF}" if known else f"unknown ({value:#x})"


PROTOCOLS = _Protocol(
    {
        0x0000: Name("0.00", "not set"),
        0x020E: Name("2.14", "skipped by the boot protocol; treat as 2.13"),
        0x0212: Name("2.18", "no such protocol; kernels around Linux 4.11 wrote 0x212 for 2.12, (2 << 8) | 12"),
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
        0xF: Name("special, 0xff if unknown"),
    }
)
EXT_LOADERS = OpenEnum(
    {
        0x00: Name("none", "type_of_loader has the identifier"),
        0x01: Name("Minimal Linux Bootloader", "identifier 0x11"),
        0x02: Name("OVMF", "identifier 0x12"),
    }
)
LOADFLAGS = Bits(
    {
        0x01: Name("LOADED_HIGH", "the protected-mode code is loaded at 0x100000"),
        0x02: Name("KASLR_FLAG", "the decompressor randomized the kernel's address"),
        0x20: Name("QUIET_FLAG", "suppress early messages"),
        0x40: Name("KEEP_SEGMENTS", "do not reload the segments at the 32-bit entry; obsolete"),
        0x80: Name("CAN_USE_HEAP", "heap_end_ptr is valid"),
    }
)
XLOADFLAGS = Bits(
    {
        0x01: Name("XLF_KERNEL_64", "64-bit entry at 0x200"),
        0x02: Name("XLF_CAN_BE_LOADED_ABOVE_4G", "kernel, boot_params, command line and ramdisk may be above 4 GiB"),
        0x04: Name("XLF_EFI_HANDOVER_32", "32-bit EFI handover entry"),
        0x08: Name("XLF_EFI_HANDOVER_64", "64-bit EFI handover entry"),
        0x10: Name("XLF_EFI_KEXEC", "kexec with EFI runtime services is supported"),
        0x20: Name("XLF_5LEVEL", "the kernel supports 5-level paging"),
        0x40: Name("XLF_5LEVEL_ENABLED", "the kernel uses 5-level paging if the CPU supports it"),
        0x80: Name("XLF_MEM_ENCRYPTION", "the kernel supports memory encryption"),
    }
)
RAM_SIZE_FLAGS = Bits(
    {
        0x4000: Name("RAMDISK_LOAD_FLAG", "load a ramdisk from the floppy disk"),
        0x8000: Name("RAMDISK_PROMPT_FLAG", "prompt before loading the ramdisk"),
    }
)
SUBARCHS = OpenEnum(
    {
        0: Name("PC", "including PVH guests"),
        1: Name("LGUEST"),
        2: Name("XEN", "a paravirtual guest, not PVH"),
        3: Name("INTEL_MID", "Moorestown and its successors"),
        4: Name("CE4100", "the CE4100 TV platform"),
    }
)


class SetupHeader(Struct, size=123, c_name="setup_header", source="Linux arch/x86/include/uapi/asm/bootparam.h"):
    """struct setup_header: `hdr` in struct boot_params."""

    # fmt: off
    setup_sects           = u8( 0x1F1 - HDR, "512-byte sectors of real-mode code after the first; 0 means 4")
    root_flags            = u16(0x1F2 - HDR, "nonzero: mount the root file system read-only")
    syssize               = u32(0x1F4 - HDR, "size of protected-mode code in 16-byte units; 2 bytes wide before 2.04")
    ram_size              = u16(0x1F8 - HDR, "flags for a ramdisk on floppy disks; obsolete", hex, names=RAM_SIZE_FLAGS)
    vid_mode              = u16(0x1FA - HDR, "video mode; 0xffff normal, 0xfffe extended, 0xfffd ask", hex)
    root_dev              = u16(0x1FC - HDR, "root device number; root= on the command line overrides it", hex)
    boot_flag             = u16(0x1FE - HDR, "0xaa55 in a bzImage", hex)
    jump                  = u16(0x200 - HDR, "jump over the header; the second byte gives its end (2.00)", hex)
    header                = u32(0x202 - HDR, "0x53726448, \"HdrS\", in a bzImage (2.00)", hex)
    version               = u16(0x206 - HDR, "boot protocol, major << 8 | minor (2.00)", hex, names=PROTOCOLS)
    realmode_swtch        = u32(0x208 - HDR, "real-mode hook called before protected mode (2.00)", hex)
    start_sys_seg         = u16(0x20C - HDR, "load segment; obsolete (2.00)", hex)
    kernel_version        = u16(0x20E - HDR, "file offset of the version string, minus 0x200 (2.00)", hex)
    type_of_loader        = u8( 0x210 - HDR, "boot loader, identifier << 4 | version (2.00)", hex, names=LOADERS)
    loadflags             = u8( 0x211 - HDR, "how the kernel was loaded (2.00)", hex, names=LOADFLAGS)
    setup_move_size       = u16(0x212 - HDR, "size of the real-mode code to move to 0x90000, in bytes (2.00)", hex)
    code32_start          = u32(0x214 - HDR, "address of the protected-mode entry (2.00)", hex, points_to="code")
    ramdisk_image         = u32(0x218 - HDR, "address of the ramdisk, low 32 bits (2.00)", hex, points_to="module")
    ramdisk_size          = u32(0x21C - HDR, "size of the ramdisk in bytes, low 32 bits (2.00)")
    bootsect_kludge       = u32(0x220 - HDR, "used by the kernel itself; obsolete (2.00)", hex)
    heap_end_ptr          = u16(0x224 - HDR, "offset of the heap's end in the real-mode code, minus 0x200 (2.01)", hex)
    ext_loader_ver        = u8( 0x226 - HDR, "high bits of the boot loader's version, << 4 (2.02)")
    ext_loader_type       = u8( 0x227 - HDR, "identifier - 0x10 if type_of_loader has 0xe (2.02)", names=EXT_LOADERS)
    cmd_line_ptr          = u32(0x228 - HDR, "address of the command line, low 32 bits (2.02)", hex, points_to="string")
    initrd_addr_max       = u32(0x22C - HDR, "highest allowed address of the ramdisk's last byte (2.03)", hex)
    kernel_alignment      = u32(0x230 - HDR, "alignment that a relocatable kernel prefers, in bytes (2.05)", hex)
    relocatable_kernel    = u8( 0x234 - HDR, "nonzero: the kernel may be loaded at any aligned address (2.05)")
    min_alignment         = u8( 0x235 - HDR, "minimum alignment the kernel boots with, as a power of two (2.10)")
    xloadflags            = u16(0x236 - HDR, "capabilities of the kernel (2.12)", hex, names=XLOADFLAGS)
    cmdline_size          = u32(0x238 - HDR, "maximum length of the command line in bytes, without the NUL (2.06)")
    hardware_subarch      = u32(0x23C - HDR, "kind of machine, if it cannot be detected (2.07)", names=SUBARCHS)
    hardware_subarch_data = u64(0x240 - HDR, "data for hardware_subarch (2.07)", hex)
    payload_offset        = u32(0x248 - HDR, "offset of the compressed vmlinux in the protected-mode code (2.08)", hex)
    payload_length        = u32(0x24C - HDR, "size of the compressed vmlinux in bytes (2.08)")
    setup_data            = u64(0x250 - HDR, "list of extra data; 0 if none (2.09)", hex, points_to="setup_data")
    pref_address          = u64(0x258 - HDR, "preferred load address (2.10)", hex)
    init_size             = u32(0x260 - HDR, "bytes of memory needed before the memory map is read (2.10)", hex)
    handover_offset       = u32(0x264 - HDR, "offset of the EFI handover entry in the protected-mode code (2.11)", hex)
    kernel_info_offset    = u32(0x268 - HDR, "offset of kernel_info in the protected-mode code (2.15)", hex)
    # fmt: on
