"""Xen's ELF notes, with which a kernel file describes itself to a loader.

Sources: Xen xen/include/public/elfnote.h for numbers and meanings, xen/common/libelf/libelf-dominfo.c for how Xen reads
them. The owner is "Xen" and a NUL. A number has this meaning only with that owner: GNU and other owners use the same
numbers, and readelf prints the GNU names for Xen's notes too. PVH needs only number 18.
"""

from __future__ import annotations

from pvhdbg.abi.layout import Bits, Name
from pvhdbg.abi.text import printable
from pvhdbg.named_tuple import NamedTuple

OWNER = "Xen"
SUPPORTED_FEATURES, PHYS32_ENTRY, PHYS32_RELOC = 17, 18, 19

NUM, STR, PAIRS, RELOC, RAW = "num", "str", "pairs", "reloc", "raw"
"""Kinds of descriptor: a number of 4 or 8 bytes; ASCII up to a NUL; pairs of mask and value; up to three u32; bytes."""

MAX_SHOWN = 256
"""The most bytes of a descriptor that `describe` shows: a file can claim any size."""


class NoteType(NamedTuple):
    """The name, the kind of descriptor and the meaning of a note number."""

    name: str
    kind: str
    meaning: str


# fmt: off
XEN_NOTES = {
    0:  NoteType("INFO", STR, "a NAME=VALUE pair"),
    1:  NoteType("ENTRY", NUM, "virtual address of the entry of a paravirtual guest"),
    2:  NoteType("HYPERCALL_PAGE", NUM, "virtual address of the page that Xen fills with hypercall code"),
    3:  NoteType("VIRT_BASE", NUM, "virtual address at which a paravirtual guest's image is mapped; default 0"),
    4:  NoteType("PADDR_OFFSET", NUM, "how much too high the physical addresses in the ELF file are; default 0"),
    5:  NoteType("XEN_VERSION", STR, "version of Xen that the kernel was built for"),
    6:  NoteType("GUEST_OS", STR, "name of the guest's operating system"),
    7:  NoteType("GUEST_VERSION", STR, "version of the guest's operating system"),
    8:  NoteType("LOADER", STR, "type of the loader"),
    9:  NoteType("PAE_MODE", STR, "PAE support of a 32-bit paravirtual guest: yes, no or bimodal"),
    10: NoteType("FEATURES", STR, "features that the kernel supports, separated by |; ! marks required ones"),
    11: NoteType("BSD_SYMTAB", STR, "yes: the symbol table is loaded too"),
    12: NoteType("HV_START_LOW", NUM, "lowest virtual address at which Xen's own range may begin"),
    13: NoteType("L1_MFN_VALID", PAIRS, "how to recognize non-present page table entries that hold a page number"),
    14: NoteType("SUSPEND_CANCEL", NUM, "1: the kernel supports canceling a suspend"),
    15: NoteType("INIT_P2M", NUM, "virtual address of the initial physical-to-machine table"),
    16: NoteType("MOD_START_PFN", NUM, "1: the initrd need not be mapped by the initial page tables"),
    17: NoteType("SUPPORTED_FEATURES", NUM, "features that the kernel supports, as XENFEAT_* bits"),
    18: NoteType("PHYS32_ENTRY", NUM, "physical address of the PVH entry: 32-bit code, paging off"),
    19: NoteType("PHYS32_RELOC", RELOC, "the image is relocatable: alignment, lowest start address, highest last byte"),

    0x1000001: NoteType("CRASH_INFO", RAW, "information about the crashed system"),
    0x1000002: NoteType("CRASH_REGS", RAW, "registers of a CPU at the crash"),
    0x2000000: NoteType("DUMPCORE_NONE", RAW, "this file is a dump of a guest"),
    0x2000001: NoteType("DUMPCORE_HEADER", RAW, "number of CPUs, number of pages, page size"),
    0x2000002: NoteType("DUMPCORE_XEN_VERSION", RAW, "version of Xen that made the dump"),
    0x2000003: NoteType("DUMPCORE_FORMAT_VERSION", NUM, "version of the dump format"),
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
        1 << 11: Name("dom0", "the kernel can be the control domain"),
        1 << 12: Name("grant_map_identity"),
        1 << 13: Name("memory_op_vnode_supported"),
        1 << 14: Name("ARM_SMCCC_supported"),
        1 << 15: Name("linux_rsdp_unrestricted", "the ACPI root pointer may be at any address"),
        1 << 16: Name("not_direct_mapped"),
        1 << 17: Name("direct_mapped"),
    }
)
"""The XENFEAT_* bits of Xen xen/include/public/features.h."""


class Relocation(NamedTuple):
    """The descriptor of PHYS32_RELOC: where the image can be loaded.

    `align` is in bytes; `lowest` and `highest` are physical addresses. If the note omits the alignment, `align` is
    None: then the alignment is the largest p_align, or 2 MiB if every p_align is below 4 KiB.
    """

    align: int | None
    lowest: int
    highest: int


def note_name(owner: str, number: int) -> str:
    """Return the name of a note, or `unknown`."""
    if owner == OWNER:
        return XEN_NOTES[number].name if number in XEN_NOTES else "unknown"
    return OTHER_NOTES.get((owner, number), "unknown")


def numeric_value(desc: bytes) -> int | None:
    """Return the value of a numeric descriptor, or None if it has neither 4 nor 8 bytes."""
    return int.from_bytes(desc, "little") if len(desc) in (4, 8) else None


def relocation(desc: bytes) -> Relocation:
    """Decode the descriptor of PHYS32_RELOC. Values that the descriptor omits get their defaults."""
    words = _words(desc[:12], 4)
    return Relocation(
        align=words[0] if words else None,
        lowest=words[1] if len(words) > 1 else 0,
        highest=words[2] if len(words) > 2 else 0xFFFFFFFF,
    )


def describe(owner: str, number: int, desc: bytes) -> str:
    """Return a descriptor as one line of text that is safe to print. At most MAX_SHOWN bytes are shown."""
    kind = XEN_NOTES[number].kind if owner == OWNER and number in XEN_NOTES else RAW
    return _DESCRIBE[kind](number, desc)


def _words(desc: bytes, size: int) -> list[int]:
    return [int.from_bytes(desc[at : at + size], "little") for at in range(0, len(desc) - size + 1, size)]


def _number(number: int, desc: bytes) -> str:
    value = numeric_value(desc)
    if value is None:
        return f"malformed: {len(desc)} bytes instead of 4 or 8: {_raw(number, desc)}"
    names = FEATURES.text(value) if number == SUPPORTED_FEATURES else ""
    return f"{value:#x} {names}".rstrip()


def _string(_number: int, desc: bytes) -> str:
    text = desc.split(b"\0", 1)[0]
    return f'"{printable(text[:MAX_SHOWN])}"' + ("…" if len(text) > MAX_SHOWN else "")


def _pairs(number: int, desc: bytes) -> str:
    # A word is as wide as a page table entry: 8 bytes, or 4 in a 32-bit kernel without PAE.
    size = 8 if desc and len(desc) % 16 == 0 else 4
    if not desc or len(desc) % (2 * size):
        return f"malformed: {len(desc)} bytes instead of pairs of mask and value: {_raw(number, desc)}"
    words = _words(desc[:MAX_SHOWN], size)
    pairs = [f"mask {mask:#x} value {value:#x}" for mask, value in zip(words[::2], words[1::2], strict=True)]
    return ", ".join(pairs) + ("…" if len(desc) > MAX_SHOWN else "")


def _relocation(_number: int, desc: bytes) -> str:
    align, lowest, highest = relocation(desc)
    alignment = "as p_align" if align is None else f"{align:#x}"
    return f"alignment {alignment}, lowest start {lowest:#x}, highest last byte {highest:#x}"


def _raw(_number: int, desc: bytes) -> str:
    return (desc[:MAX_SHOWN].hex(" ") or "empty") + ("…" if len(desc) > MAX_SHOWN else "")


_DESCRIBE = {NUM: _number, STR: _string, PAIRS: _pairs, RELOC: _relocation, RAW: _raw}
