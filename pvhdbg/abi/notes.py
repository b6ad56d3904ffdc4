"""The ELF notes of Xen: what a kernel file says about itself to whoever boots it.

Sources: Xen xen/include/public/elfnote.h for numbers and meanings, xen/common/libelf/libelf-dominfo.c for how they
are read. The owner is "Xen" and a NUL. A note's number means this only under that owner: "GNU" and others use the
same numbers, and readelf prints their names for them. PVH needs number 18 alone.
"""

from __future__ import annotations

from typing import NamedTuple

from pvhdbg.abi.layout import Bits, Name
from pvhdbg.abi.text import printable

OWNER = "Xen"
SUPPORTED_FEATURES, PHYS32_ENTRY, PHYS32_RELOC = 17, 18, 19

NUM, STR, PAIRS, RELOC, RAW = "num", "str", "pairs", "reloc", "raw"
"""Kinds of descriptor: a number of 4 or 8 bytes; ASCII to its NUL; pairs of mask and value; up to three u32; bytes."""

SHOWN = 256
"""Bytes of a descriptor that `describe` shows: a file can claim any size."""


class NoteType(NamedTuple):
    """One number's name, kind of descriptor, and meaning."""

    name: str
    kind: str
    meaning: str


# fmt: off
XEN_NOTES = {
    0:  NoteType("INFO", STR, "NAME=VALUE, anything"),
    1:  NoteType("ENTRY", NUM, "virtual address of the entry for paravirtual guests"),
    2:  NoteType("HYPERCALL_PAGE", NUM, "virtual address of the page that Xen fills with hypercalls"),
    3:  NoteType("VIRT_BASE", NUM, "virtual address at which a paravirtual guest's image is mapped; 0 without it"),
    4:  NoteType("PADDR_OFFSET", NUM, "what the ELF file's physical addresses are too high by; 0 without it"),
    5:  NoteType("XEN_VERSION", STR, "interface of Xen that the kernel wants"),
    6:  NoteType("GUEST_OS", STR, "name of the operating system"),
    7:  NoteType("GUEST_VERSION", STR, "its version"),
    8:  NoteType("LOADER", STR, "how it is loaded"),
    9:  NoteType("PAE_MODE", STR, "32-bit paravirtual guests: yes, no or bimodal"),
    10: NoteType("FEATURES", STR, "features it can use, with ! those it needs; between |"),
    11: NoteType("BSD_SYMTAB", STR, "yes: load the symbol table too"),
    12: NoteType("HV_START_LOW", NUM, "lowest virtual address where Xen's own range may begin"),
    13: NoteType("L1_MFN_VALID", PAIRS, "how to tell that a page table entry, not present, names a page all the same"),
    14: NoteType("SUSPEND_CANCEL", NUM, "1: a suspend can be called off"),
    15: NoteType("INIT_P2M", NUM, "virtual address for the initial table of physical to machine pages"),
    16: NoteType("MOD_START_PFN", NUM, "1: the initrd need not be in the first page tables"),
    17: NoteType("SUPPORTED_FEATURES", NUM, "features it can use, as XENFEAT_* bits"),
    18: NoteType("PHYS32_ENTRY", NUM, "physical address of the PVH entry: 32-bit code, paging off"),
    19: NoteType("PHYS32_RELOC", RELOC, "the image can be moved: alignment, lowest start, highest last byte"),

    0x1000001: NoteType("CRASH_INFO", RAW, "about the system that crashed"),
    0x1000002: NoteType("CRASH_REGS", RAW, "a CPU's registers at the crash"),
    0x2000000: NoteType("DUMPCORE_NONE", RAW, "this file is a dump of a guest"),
    0x2000001: NoteType("DUMPCORE_HEADER", RAW, "number of CPUs and pages, page size"),
    0x2000002: NoteType("DUMPCORE_XEN_VERSION", RAW, "the Xen that made the dump"),
    0x2000003: NoteType("DUMPCORE_FORMAT_VERSION", NUM, "version of the dump's format"),
}
# fmt: on

OTHER_NOTES = {
    ("GNU", 1): "NT_GNU_ABI_TAG",
    ("GNU", 3): "NT_GNU_BUILD_ID",
    ("GNU", 4): "NT_GNU_GOLD_VERSION",
    ("GNU", 5): "NT_GNU_PROPERTY_TYPE_0",
    ("Linux", 0x100): "LINUX_ELFNOTE_BUILD_SALT",
    ("Linux", 0x101): "LINUX_ELFNOTE_LTO_INFO",
}

FEATURES = Bits(
    {
        1 << 0: Name("writable_page_tables"),
        1 << 1: Name("writable_descriptor_tables"),
        1 << 2: Name("auto_translated_physmap"),
        1 << 3: Name("supervisor_mode_kernel"),
        1 << 4: Name("pae_pgdir_above_4gb"),
        1 << 5: Name("mmu_pt_update_preserve_ad"),
        1 << 6: Name("highmem_assist"),
        1 << 7: Name("gnttab_map_avail_bits"),
        1 << 8: Name("hvm_callback_vector"),
        1 << 9: Name("hvm_safe_pvclock"),
        1 << 10: Name("hvm_pirqs"),
        1 << 11: Name("dom0", "it can be the control domain"),
        1 << 12: Name("grant_map_identity"),
        1 << 13: Name("memory_op_vnode_supported"),
        1 << 14: Name("ARM_SMCCC_supported"),
        1 << 15: Name("linux_rsdp_unrestricted", "ACPI's root pointer may lie anywhere"),
        1 << 16: Name("not_direct_mapped"),
        1 << 17: Name("direct_mapped"),
    }
)
"""XENFEAT_* of Xen xen/include/public/features.h."""


class Relocation(NamedTuple):
    """PHYS32_RELOC: where the image may be put, in bytes and physical addresses.

    `align` is null where the note leaves it out: then the largest p_align of at least 4 KiB holds, else 2 MiB.
    """

    align: int | None
    lowest: int
    highest: int


def note_name(owner: str, number: int) -> str:
    """The note's name under its owner, or `unknown`."""
    if owner == OWNER:
        return XEN_NOTES[number].name if number in XEN_NOTES else "unknown"
    return OTHER_NOTES.get((owner, number), "unknown")


def note_number(desc: bytes) -> int | None:
    """A numeric descriptor's value; null if it is neither 4 nor 8 bytes."""
    return int.from_bytes(desc, "little") if len(desc) in (4, 8) else None


def relocation(desc: bytes) -> Relocation:
    """A PHYS32_RELOC descriptor, the defaults put in for what it leaves out."""
    words = _words(desc[:12], 4)
    return Relocation(
        align=words[0] if words else None,
        lowest=words[1] if len(words) > 1 else 0,
        highest=words[2] if len(words) > 2 else 0xFFFFFFFF,
    )


def describe(owner: str, number: int, desc: bytes) -> str:
    """A descriptor for a person: any bytes are safe to print, and no more than SHOWN of them are."""
    kind = XEN_NOTES[number].kind if owner == OWNER and number in XEN_NOTES else RAW
    return _DESCRIBE[kind](number, desc)


def _words(desc: bytes, size: int) -> list[int]:
    return [int.from_bytes(desc[at : at + size], "little") for at in range(0, len(desc) - size + 1, size)]


def _number(number: int, desc: bytes) -> str:
    value = note_number(desc)
    if value is None:
        return f"malformed, {len(desc)} bytes where 4 or 8 are a number: {_raw(number, desc)}"
    names = FEATURES.text(value) if number == SUPPORTED_FEATURES else ""
    return f"{value:#x} {names}".rstrip()


def _string(_number: int, desc: bytes) -> str:
    text = desc.split(b"\0", 1)[0]
    return f'"{printable(text[:SHOWN])}"' + ("…" if len(text) > SHOWN else "")


def _pairs(number: int, desc: bytes) -> str:
    # Words as wide as a page table entry: 8 bytes, or 4 in a 32-bit kernel without PAE.
    size = 8 if desc and len(desc) % 16 == 0 else 4
    if not desc or len(desc) % (2 * size):
        return f"malformed, {len(desc)} bytes are no pairs: {_raw(number, desc)}"
    words = _words(desc[:SHOWN], size)
    pairs = [f"mask {mask:#x} value {value:#x}" for mask, value in zip(words[::2], words[1::2], strict=True)]
    return ", ".join(pairs) + ("…" if len(desc) > SHOWN else "")


def _relocation(_number: int, desc: bytes) -> str:
    align, lowest, highest = relocation(desc)
    return f"align {'by p_align' if align is None else f'{align:#x}'}, from {lowest:#x}, last byte up to {highest:#x}"


def _raw(_number: int, desc: bytes) -> str:
    return (desc[:SHOWN].hex(" ") or "empty") + ("…" if len(desc) > SHOWN else "")


_DESCRIBE = {NUM: _number, STR: _string, PAIRS: _pairs, RELOC: _relocation, RAW: _raw}
