"""Every named bit and number against a list written from the specification, not from the table.

Sources: Intel SDM volume 3, 2.5 (CR0, CR4) and 2.2.1 (EFER); AMD APM volume 2, 3.1.7 (EFER); Intel SDM volume 1, 3.4.3
(EFLAGS); Xen public/xen.h (SIF_*), public/features.h (XENFEAT_*), public/elfnote.h; Linux Documentation/arch/x86/
boot.rst and the headers that the tables name.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pvhdbg.abi import boot_params, cpu, e820, notes, setup_header, start_info, zero_page_parts
from pvhdbg.abi.layout import Bits, OpenEnum


def pairs(text: str) -> dict[int, str]:
    """Return names by number, from `NAME NUMBER NAME NUMBER …`. An underscore may stand for a space."""
    words = text.split()
    return {int(number, 0): name for name, number in zip(words[::2], words[1::2], strict=True)}


def specified(text: str) -> dict[str, dict[int, str]]:
    """Return the pairs of each line. An indented line continues the one before it."""
    lines = (line.partition(": ") for line in text.replace("\n    ", " ").strip().splitlines())
    return {name: pairs(rest) for name, _, rest in lines}


BITS = specified("""
CR0: PE 0 MP 1 EM 2 TS 3 ET 4 NE 5 WP 16 AM 18 NW 29 CD 30 PG 31
CR4: VME 0 PVI 1 TSD 2 DE 3 PSE 4 PAE 5 MCE 6 PGE 7 PCE 8 OSFXSR 9 OSXMMEXCPT 10 UMIP 11 LA57 12 VMXE 13
    SMXE 14 FSGSBASE 16 PCIDE 17 OSXSAVE 18 KL 19 SMEP 20 SMAP 21 PKE 22 CET 23 PKS 24 UINTR 25 LASS 27
    LAM_SUP 28 FRED 32
EFER: SCE 0 LME 8 LMA 10 NX 11 SVME 12 LMSLE 13 FFXSR 14 TCE 15 MCOMMIT 17 INTWB 18 UAIE 20 AUTOIBRS 21
EFLAGS: CF 0 FIXED 1 PF 2 AF 4 ZF 6 SF 7 TF 8 IF 9 DF 10 OF 11 IOPL.0 12 IOPL.1 13 NT 14 RF 16 VM 17 AC 18
    VIF 19 VIP 20 ID 21
SIF: PRIVILEGED 0 INITDOMAIN 1 MULTIBOOT_MOD 2 MOD_START_PFN 3 VIRT_P2M_4TOOLS 4
XENFEAT: writable_page_tables 0 writable_descriptor_tables 1 auto_translated_physmap 2
    supervisor_mode_kernel 3 pae_pgdir_above_4gb 4 mmu_pt_update_preserve_ad 5 highmem_assist 6
    gnttab_map_avail_bits 7 hvm_callback_vector 8 hvm_safe_pvclock 9 hvm_pirqs 10 dom0 11
    grant_map_identity 12 memory_op_vnode_supported 13 ARM_SMCCC_supported 14 linux_rsdp_unrestricted 15
    not_direct_mapped 16 direct_mapped 17
loadflags: LOADED_HIGH 0 KASLR_FLAG 1 QUIET_FLAG 5 KEEP_SEGMENTS 6 CAN_USE_HEAP 7
xloadflags: XLF_KERNEL_64 0 XLF_CAN_BE_LOADED_ABOVE_4G 1 XLF_EFI_HANDOVER_32 2 XLF_EFI_HANDOVER_64 3
    XLF_EFI_KEXEC 4 XLF_5LEVEL 5 XLF_5LEVEL_ENABLED 6 XLF_MEM_ENCRYPTION 7
ram_size: RAMDISK_LOAD_FLAG 14 RAMDISK_PROMPT_FLAG 15
video flags: VIDEO_FLAGS_NOCURSOR 0
video capabilities: VIDEO_CAPABILITY_SKIP_QUIRKS 0 VIDEO_CAPABILITY_64BIT_BASE 1
APM: APM_16_BIT_SUPPORT 0 APM_32_BIT_SUPPORT 1 APM_IDLE_SLOWS_CLOCK 2 APM_BIOS_DISABLED 3
    APM_BIOS_DISENGAGED 4
EDD_EXT: EDD_EXT_FIXED_DISK_ACCESS 0 EDD_EXT_DEVICE_LOCKING_AND_EJECTING 1
    EDD_EXT_ENHANCED_DISK_DRIVE_SUPPORT 2 EDD_EXT_64BIT_EXTENSIONS 3
EDD_INFO: EDD_INFO_DMA_BOUNDARY_ERROR_TRANSPARENT 0 EDD_INFO_GEOMETRY_VALID 1 EDD_INFO_REMOVABLE 2
    EDD_INFO_WRITE_VERIFY 3 EDD_INFO_MEDIA_CHANGE_NOTIFICATION 4 EDD_INFO_LOCKABLE 5
    EDD_INFO_NO_MEDIA_PRESENT 6 EDD_INFO_USE_INT13_FN50 7
""")
"""Names and bit numbers."""
BIT_TABLES: dict[str, Bits] = {
    "CR0": cpu.CR0,
    "CR4": cpu.CR4,
    "EFER": cpu.EFER,
    "EFLAGS": cpu.EFLAGS,
    "SIF": start_info.SIF_FLAGS,
    "XENFEAT": notes.FEATURES,
    "loadflags": setup_header.LOADFLAGS,
    "xloadflags": setup_header.XLOADFLAGS,
    "ram_size": setup_header.RAM_SIZE_FLAGS,
    "video flags": zero_page_parts.VIDEO_FLAGS,
    "video capabilities": zero_page_parts.VIDEO_CAPABILITIES,
    "APM": zero_page_parts.APM_FLAGS,
    "EDD_EXT": zero_page_parts.EDD_INTERFACE,
    "EDD_INFO": zero_page_parts.EDD_INFO,
}

NUMBERS = specified("""
e820 types: RAM 1 RESERVED 2 ACPI 3 NVS 4 UNUSABLE 5 DISABLED 6 PMEM 7 PRAM 12 SOFT_RESERVED 0xefffffff
loaders: LILO 0 Loadlin 1 bootsect-loader 2 Syslinux 3 Etherboot/gPXE/iPXE 4 ELILO 5 GRUB 7 U-Boot 8 Xen 9
    Gujin 10 QEMU 11 Arcturus_Networks_uCbootloader 12 kexec-tools 13 extended,_see_ext_loader_type 14
    special,_0xff_if_unknown 15
extended loaders: none 0 Minimal_Linux_Bootloader 1 OVMF 2
machines: PC 0 LGUEST 1 XEN 2 INTEL_MID 3 CE4100 4
boot protocols: 0.00 0 2.14 0x20e 2.18 0x212
displays: none 0 VGA 1 VIDEO_TYPE_MDA 16 VIDEO_TYPE_CGA 17 VIDEO_TYPE_EGAM 32 VIDEO_TYPE_EGAC 33
    VIDEO_TYPE_VGAC 34 VIDEO_TYPE_VLFB 35 VIDEO_TYPE_EFI 0x70
secure boot: efi_secureboot_mode_unset 0 efi_secureboot_mode_unknown 1 efi_secureboot_mode_disabled 2
    efi_secureboot_mode_enabled 3
Xen notes: INFO 0 ENTRY 1 HYPERCALL_PAGE 2 VIRT_BASE 3 PADDR_OFFSET 4 XEN_VERSION 5 GUEST_OS 6 GUEST_VERSION 7
    LOADER 8 PAE_MODE 9 FEATURES 10 BSD_SYMTAB 11 HV_START_LOW 12 L1_MFN_VALID 13 SUSPEND_CANCEL 14
    INIT_P2M 15 MOD_START_PFN 16 SUPPORTED_FEATURES 17 PHYS32_ENTRY 18 PHYS32_RELOC 19 CRASH_INFO 0x1000001
    CRASH_REGS 0x1000002 DUMPCORE_NONE 0x2000000 DUMPCORE_HEADER 0x2000001 DUMPCORE_XEN_VERSION 0x2000002
    DUMPCORE_FORMAT_VERSION 0x2000003
""")
"""Names and numbers."""
NUMBER_TABLES: dict[str, OpenEnum] = {
    "e820 types": e820.E820_TYPES,
    "loaders": setup_header.LOADERS,
    "extended loaders": setup_header.EXT_LOADERS,
    "machines": setup_header.SUBARCHS,
    "boot protocols": setup_header.PROTOCOLS,
    "displays": zero_page_parts.VIDEO_TYPES,
    "secure boot": boot_params.SECURE_BOOT,
}


@pytest.mark.parametrize("name", BITS)
def test_a_bit_has_the_number_of_its_specification(name: str) -> None:
    bits = {mask: bit.name for mask, bit in BIT_TABLES[name].names.items()}

    assert {1 << number: bit for number, bit in BITS[name].items()} == bits


@pytest.mark.parametrize("name", NUMBERS.keys() - {"Xen notes"})
def test_a_named_number_is_that_of_its_specification(name: str) -> None:
    names = {number: re.sub(r"\s", "_", it.name) for number, it in NUMBER_TABLES[name].names.items()}

    assert NUMBERS[name] == names


def test_a_xen_note_has_the_number_of_its_specification() -> None:
    assert NUMBERS["Xen notes"] == {number: note.name for number, note in notes.XEN_NOTES.items()}


def test_every_table_of_bits_and_numbers_is_listed_here() -> None:
    modules = (boot_params, cpu, e820, notes, setup_header, start_info, zero_page_parts)
    tables = [table for module in modules for table in vars(module).values() if isinstance(table, Bits | OpenEnum)]
    listed = [*map(id, BIT_TABLES.values()), *map(id, NUMBER_TABLES.values())]

    assert (set(BITS), set(NUMBERS)) == (set(BIT_TABLES), set(NUMBER_TABLES) | {"Xen notes"})
    assert set(map(id, tables)) == set(listed)


def test_constants_have_the_values_of_their_specifications() -> None:
    assert (0x336EC578, 40, 20, 36, 15) == (
        start_info.MAGIC,
        start_info.SIZE_V0,
        start_info.RSDP_SIZE_V1,
        start_info.RSDP_SIZE,
        start_info.RSDP_REVISION,
    )
    assert (0xAA55, int.from_bytes(b"HdrS", "little"), 0x1F1) == (
        setup_header.BOOT_FLAG,
        setup_header.HDRS,
        setup_header.HDR,
    )
    assert (0x20C, 0x212, 0xB0, 0x90) == (
        setup_header.PVH_VERSION,
        setup_header.RFC_VERSION,
        setup_header.LOADER_QEMU,
        setup_header.LOADER_XEN,
    )
    assert (0xA0000, 0x100000 - 0xA0000, 128, 2048) == (
        e820.ISA_START,
        e820.ISA_SIZE,
        e820.ZERO_PAGE_ENTRIES,
        boot_params.COMMAND_LINE_SIZE,
    )
    assert (17, 18, 19) == (notes.SUPPORTED_FEATURES, notes.PHYS32_ENTRY, notes.PHYS32_RELOC)


def test_the_control_bits_that_the_code_uses_are_those_of_the_processor() -> None:
    assert (1, 0x80000000) == (cpu.CR0_PE, cpu.CR0_PG)
    assert (0x10, 0x20, 0x1000) == (cpu.CR4_PSE, cpu.CR4_PAE, cpu.CR4_LA57)
    assert (0x100, 0x400, 0x20000, 0xC0000080) == (cpu.EFER_LME, cpu.EFER_LMA, cpu.EFLAGS_VM, cpu.MSR_EFER)


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        (0x9B00, "16-bit code"),
        (0x409B00, "32-bit code"),
        (0x209B00, "64-bit code"),
        (0x9300, "16-bit data"),
        (0x409300, "32-bit data"),
        (0x609300, "32-bit data"),
        (0x1B00, "not present"),
        (0x8100, "16-bit TSS"),
        (0x8200, "LDT"),
        (0x8300, "16-bit TSS, busy"),
        (0x8900, "TSS"),
        (0x8B00, "TSS, busy"),
        (0x8C00, "call gate"),
        (0x8800, "system segment"),
        (0x0B00, "not present"),
    ],
)
def test_a_segment_descriptor_is_decoded_as_the_processor_does(flags: int, kind: str) -> None:
    """Intel SDM volume 3, 3.4.5: type in bits 8 to 11, S 12, P 15, L 21, D/B 22."""
    assert kind == cpu.segment_kind(flags)


REQUIRED = {
    "cr0": ({0x1, 0x11, 0x51}, {0x0, 0x3, 0x5, 0x9, 0x21, 0x10001, 0x40001, 0x20000001, 0x40000001, 0x80000001}),
    "cr4": ({0}, {1, 1 << 5, 1 << 63}),
    "eflags": ({0, 2, 0x46, 0x40002}, {0x100, 0x200, 0x20000}),
    **{f"{name}.base": ({0}, {1, 1 << 63}) for name in ("cs", "ds", "es", "ss", "tr")},
    **{f"{name}.limit": ({0xFFFFFFFF}, {0xFFFF, 0xFFFFFFFE, 0x7FFFFFFF}) for name in ("cs", "ds", "es", "ss")},
    "cs.flags": ({0x409A00, 0xCF9B00, 0x409E00}, {0x409800, 0x9A00, 0x401A00, 0x409200, 0x408A00}),
    **{
        f"{name}.flags": ({0x409200, 0xCF9300}, {0x409000, 0x409600, 0x409A00, 0x9200, 0x401200, 0x408200})
        for name in ("ds", "es", "ss")
    },
    "tr.limit": ({0x67}, {0x66, 0x68, 0xFFFF}),
    "tr.flags": ({0x8B00, 0x408B00}, {0x8900, 0x8300, 0x0B00, 0x9B00, 0x8F00}),
}
"""Values that meet the ABI's requirement, and values that violate it by one bit each (Xen docs/misc/pvh.pandoc)."""


@pytest.mark.parametrize("requirement", cpu.ENTRY_STATE, ids=lambda it: it.register)
def test_a_requirement_accepts_and_rejects_what_the_abi_does(requirement: cpu.Requirement) -> None:
    met, violated = REQUIRED[requirement.register]

    assert (met, set()) == (
        {value for value in met if requirement.is_met_by(value)},
        {value for value in violated if requirement.is_met_by(value)},
    )


HEADERS = Path("/usr/include/x86_64-linux-gnu/asm/processor-flags.h"), Path("/usr/include/linux/edd.h")


def test_the_lists_above_agree_with_linuxs_own_headers() -> None:
    if not all(path.exists() for path in HEADERS):
        pytest.skip("the package linux-libc-dev is not installed")
    flags, edd = (path.read_text("ascii") for path in HEADERS)
    controls = re.findall(r"#define X86_(CR0|CR4|EFLAGS)_(\w+)_BIT\s+(\d+)", flags)
    known = {(register, name): int(number) for register, name, number in controls}
    known |= {
        ("EDD_INFO", f"EDD_INFO_{name}"): int(number)
        for name, number in re.findall(r"EDD_INFO_(\w+)\s+\(1 << (\d+)\)", edd)
    }
    listed = {
        (register, name): number
        for register in ("CR0", "CR4", "EFLAGS", "EDD_INFO")
        for number, name in BITS[register].items()
    }

    assert len(known.keys() & listed.keys()) > 50
    assert [] == [key for key in known.keys() & listed.keys() if known[key] != listed[key]]
