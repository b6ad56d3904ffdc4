"""Crafted ELF files, valid or with a single defect, each with the verdicts that preflight must return."""

import struct
from typing import NamedTuple

from tests.image.builder import (
    CODE,
    E_ENTRY,
    EM_ARM,
    EM_X86_64,
    ENTRY,
    OTHER,
    SHT_NOBITS,
    SHT_NOTE,
    SHT_PROGBITS,
    Section,
    compare,
    elf,
    load,
    note,
    notes,
    raw_note,
)

BUILD_ID = raw_note(b"GNU\0", 3, bytes(range(20)))
MULTIBOOT1 = struct.pack("<III", 0x1BADB002, 0, -0x1BADB002 & 0xFFFFFFFF)
# The header gives its own load address (ENTRY) and entry point (OTHER), so the file is not loaded as an ELF file.
MULTIBOOT1_ADDRESSES = struct.pack(
    "<IIIIIIII", 0x1BADB002, 1 << 16, -0x1BADB002 - (1 << 16) & 0xFFFFFFFF, ENTRY, ENTRY, 0, 0, OTHER
)
# QEMU searches only up to 8192 - 48. In a file with two segments, the contents of the first segment begin at 176.
LAST_MULTIBOOT1 = 8192 - 48 - 4
MULTIBOOT2 = struct.pack("<IIII", 0xE85250D6, 0, 16, -0xE85250D6 - 16 & 0xFFFFFFFF)
# If these bytes are read as a note, its sizes are larger than any segment, so every scan ends here.
WALL = b"\x3f" * 64
# The note that toolchains add. It is aligned to 8 bytes, and so is a segment that contains it.
PROPERTY = raw_note(b"GNU\0", 5, bytes(16))
# A machine has RAM at LOW. The code there kills the guest, so it does not run on into another segment.
LOW = 0x200000
UD2 = b"\x0f\x0b" * 0x800
UNLINKED = 0xC0000000
XEN_NOTE = note()


class Crafted(NamedTuple):
    """A file, the slugs of its verdicts, the entry that QEMU reads from its notes, and its multiboot entry.

    `result` is the result of `run_qemu` if QEMU starts the guest although there is a fatal verdict. `firmware` is the
    firmware of a microvm; None if its default makes no difference.
    """

    data: bytes
    slugs: tuple[str, ...] = ()
    entry: int | None = None
    machine: str = "microvm"
    multiboot: int | None = None
    result: str | None = None
    firmware: str | None = None


def with_bytes(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


GOOD = elf([load(), notes(note())])
HDRS = with_bytes(with_bytes(elf([load(CODE.ljust(0x400)), notes(note())]), 0x1F1, b"\xff"), 0x202, b"HdrS")

# fmt: off
CRAFTED = {
    "64 bit": Crafted(GOOD, entry=ENTRY),
    "32 bit": Crafted(elf([load(), notes(note())], bits=32), entry=ENTRY),
    "a descriptor of 8 bytes": Crafted(elf([load(), notes(note(size=8))]), entry=ENTRY),
    "after another note": Crafted(elf([load(), notes(BUILD_ID, note())]), entry=ENTRY),
    "owner Foo": Crafted(elf([load(), notes(note(owner=b"Foo\0"))]), ("owner-not-xen",), ENTRY),
    "owner Atmosphere!": Crafted(elf([load(), notes(note(owner=b"Atmosphere!\0"))]), ("owner-not-xen",), ENTRY),
    "a decoy before": Crafted(elf([load(), notes(note(OTHER, owner=b"GNU\0"), note())]), ("decoy-note",), OTHER),
    "a decoy that leads nowhere": Crafted(
        elf([load(), notes(note(4, owner=b"GNU\0"), note())]), ("decoy-note",), 4, result="reset"),
    "a decoy after": Crafted(elf([load(), notes(note(), note(OTHER, owner=b"GNU\0"))]), (), ENTRY),
    "two segments with a note": Crafted(elf([load(), notes(note()), notes(note(OTHER))]), (), OTHER),
    "a second segment without a note": Crafted(
        elf([load(), notes(note()), notes(BUILD_ID, WALL, filesz=36)]), (), ENTRY),
    "just past p_filesz": Crafted(elf([load(), notes(BUILD_ID, note(), filesz=36)]), ("note-misplaced",), ENTRY),
    "past p_filesz and zeros": Crafted(
        elf([load(), notes(BUILD_ID, bytes(36), note(), filesz=36)]), ("note-misplaced",), ENTRY),
    "p_align 8, padded to 4": Crafted(elf([load(), notes(BUILD_ID, note(), WALL, align=8)]), ("note-align",)),
    "p_align 8, padded to 8": Crafted(
        elf([load(), notes(raw_note(b"GNU\0", 3, bytes(20), 8), note(pad=8), align=8)]), ("note-padding",), ENTRY),
    "p_align 8, read shifted": Crafted(
        elf([load(), notes(note(size=8), PROPERTY, align=8)]), ("note-shifted",), 0, result="reset"),
    "p_align 8, shifted to a zero": Crafted(
        elf([load(), notes(note(), bytes(16), align=8)]), ("note-shifted",)),
    "p_align 8, shifted to another entry": Crafted(
        elf([load(), notes(note(), raw_note(b"GNU\0", 3, b""), align=8)]), ("note-shifted",), 4, result="reset"),
    "a name without its NUL": Crafted(
        elf([load(), notes(note(owner=b"Xen"))]), ("note-name-without-nul",), ENTRY),
    "a note past the end of its segment": Crafted(
        elf([load(), notes(raw_note(b"GNU\0", 3, bytes(64))[:32], note(), WALL[:12])]), ("note-damaged",)),
    "a damaged note after the right one": Crafted(
        elf([load(), notes(note(), WALL)]), ("note-damaged",), ENTRY),
    "zeros after the right note": Crafted(elf([load(), notes(note(), bytes(40))]), (), ENTRY),
    "p_align 0": Crafted(elf([load(), notes(note(), align=0)]), ("note-align-zero",)),
    "p_align 1": Crafted(elf([load(), notes(note(), align=1)]), (), ENTRY),
    "an empty segment of p_align 0": Crafted(elf([load(), notes(align=0), notes(note())]), (), ENTRY),
    "a note in a PROGBITS section": Crafted(
        elf([load()], [Section(".note.Xen", SHT_PROGBITS, XEN_NOTE)]), ("note-in-progbits",)),
    "a note among other data of a PROGBITS section": Crafted(
        elf([load()], [Section(".rodata", SHT_PROGBITS, bytes(20) + XEN_NOTE)]), ("note-in-progbits",)),
    "a note in no section and no PT_NOTE": Crafted(
        elf([load(CODE + XEN_NOTE)]), ("note-not-in-segment",)),
    "no PT_NOTE": Crafted(elf([load()]), ("no-note",)),
    "no note 18": Crafted(elf([load(), notes(BUILD_ID, WALL, filesz=36)]), ("no-note",)),
    "entry 0": Crafted(elf([load(), notes(note(0, size=8))]), ("entry-zero",)),
    "entry above 4 GiB": Crafted(elf([load(), notes(note((1 << 32) + ENTRY, size=8))]), ("entry-too-big",), ENTRY),
    "entry 4 GiB": Crafted(
        elf([load(), notes(note(1 << 32, size=8))]), ("entry-too-big",), 0, result="reset"),
    "entry 0 in 4 bytes, other bytes after them": Crafted(
        elf([load(), notes(note(0), raw_note(b"GNU\0", 3, b""))]), ("entry-zero",), 0, result="reset"),
    "a descriptor of 12 bytes": Crafted(elf([load(), notes(note(size=12))]), ("note-size",), ENTRY),
    "only in a section": Crafted(
        elf([load()], [Section(".notes", SHT_NOTE, note())]), ("note-not-in-segment",)),
    "zeroed notes": Crafted(elf([load(), notes(bytes(20), WALL, filesz=20)]), ("notes-zeroed",)),
    "an emptied section": Crafted(
        elf([load()], [Section(".notes", SHT_NOBITS, b"")]), ("notes-zeroed",)),
    "HdrS at 0x202": Crafted(HDRS, ("linux-protocol",), ENTRY),
    "multiboot, 64 bit": Crafted(elf([load(CODE + MULTIBOOT1), notes(note())]), ("multiboot-64",), ENTRY),
    "multiboot, 64 bit, no note": Crafted(elf([load(CODE + MULTIBOOT1)]), ("multiboot-64", "no-note")),
    "multiboot, 32 bit, no note": Crafted(
        elf([load(CODE + MULTIBOOT1)], bits=32), ("multiboot", "no-note"), multiboot=E_ENTRY),
    "multiboot after 8 KiB, no note": Crafted(
        elf([load(CODE.ljust(8192) + MULTIBOOT1)], bits=32), ("multiboot-too-deep",)),
    "multiboot 2, no note": Crafted(elf([load(CODE.ljust(0x100) + MULTIBOOT2)]), ("multiboot2",)),
    "multiboot, 32 bit": Crafted(
        elf([load(CODE + MULTIBOOT1), notes(note())], bits=32), ("multiboot",), ENTRY, multiboot=E_ENTRY),
    "multiboot with addresses, 64 bit": Crafted(
        elf([load(MULTIBOOT1_ADDRESSES.ljust(0x40) + CODE[0x40:]), notes(note(E_ENTRY))]), ("multiboot",), E_ENTRY,
        multiboot=OTHER),
    "multiboot after 8 KiB": Crafted(elf([load(CODE.ljust(8192) + MULTIBOOT1), notes(note())]), (), ENTRY),
    "multiboot at the last offset": Crafted(
        elf([load(CODE.ljust(LAST_MULTIBOOT1 - 176) + MULTIBOOT1), notes(note())]), ("multiboot-64",), ENTRY),
    "multiboot four bytes too late": Crafted(
        elf([load(CODE.ljust(LAST_MULTIBOOT1 - 172) + MULTIBOOT1), notes(note())]), (), ENTRY),
    "multiboot with a wrong checksum": Crafted(
        elf([load(CODE + MULTIBOOT1[:8]), notes(note())]), (), ENTRY),
    "e_flags 4": Crafted(elf([load(), notes(note())], flags=4), ("elf-flags",), ENTRY),
    "e_flags 1": Crafted(elf([load(), notes(note())], flags=1), (), ENTRY),
    "for ARM": Crafted(elf([load(), notes(note())], machine=EM_ARM), ("not-x86",), ENTRY),
    "32 bit for x86-64": Crafted(elf([load(), notes(note())], bits=32, machine=EM_X86_64), (), ENTRY),
    "overlapping segments": Crafted(
        elf([load(), load(paddr=ENTRY + 0x80), notes(note())]), ("segments-overlap",), ENTRY),
    "overlapping zeros": Crafted(
        elf([load(memsz=0x1000), load(paddr=ENTRY + 0x800), notes(note())]), (), ENTRY),
    "linked and loaded high": Crafted(
        elf([load(paddr=UNLINKED + ENTRY), load(UD2, paddr=ENTRY + 0x1000), notes(note(ENTRY))], bits=32),
        ("paddr-is-vaddr",), ENTRY, result="reset"),
    "linked and loaded in the upper half": Crafted(
        elf([load(paddr=0xFFFFFFFF80000000 + ENTRY), load(UD2, paddr=ENTRY + 0x1000), notes(note(ENTRY))]),
        ("paddr-is-vaddr",), ENTRY, result="reset"),
    "loaded elsewhere than linked": Crafted(
        elf([load(paddr=LOW, vaddr=ENTRY), load(UD2, paddr=ENTRY + 0x1000, vaddr=LOW), notes(note(ENTRY))]),
        ("image-moved",), ENTRY, result="reset"),
    "moved with its link addresses": Crafted(
        elf([load(UD2, paddr=E_ENTRY & -0x1000), notes(note((E_ENTRY & 0xfff) + 0x80000))]),
        ("image-moved",), 0x80080, result="reset"),
    "a segment in the PCI hole": Crafted(
        elf([load(compare(0xE1000000, UD2[:4])), load(UD2, paddr=0xE1000000, vaddr=LOW), notes(note())]),
        ("segment-in-pci-hole",), ENTRY, result="entered at 0x100040"),
    "a segment above 4 GiB": Crafted(
        elf([load(), load(UD2, paddr=1 << 32, vaddr=LOW), notes(note())]), ("segment-above-4g",), ENTRY),
    "over the firmware of a microvm": Crafted(
        elf([load(paddr=0xF0000), notes(note(0xF0000))]), ("segment-in-firmware",), 0xF0000, result="reset"),
    "below qboot in a microvm": Crafted(
        elf([load(paddr=0xC8000), notes(note(0xC8000))]), (), 0xC8000, result="entered at 0x100000", firmware="qboot"),
    "over the option ROMs of a microvm with SeaBIOS": Crafted(
        elf([load(paddr=0xC0000), notes(note(0xC0000))]), ("segment-in-firmware",), 0xC0000, result="reset",
        firmware="seabios"),
    "where a microvm with SeaBIOS has no VGA memory": Crafted(
        elf([load(paddr=0xA0000), notes(note(0xA0000))]), (), 0xA0000, result="entered at 0x100000",
        firmware="seabios"),
    "over the ROMs of a q35": Crafted(
        elf([load(paddr=0xC8000), notes(note(0xC8000))]), ("segment-in-firmware",), 0xC8000, "q35", result="reset"),
    "outside every segment": Crafted(
        elf([load(paddr=LOW), load(UD2, paddr=ENTRY + 0x2000), notes(note(ENTRY + 0x1000))]), ("entry-outside",),
        ENTRY + 0x1000, result="reset"),
    "an old pc": Crafted(GOOD, ("machine-without-pvh",), ENTRY, "pc-i440fx-3.1"),
    "an old q35": Crafted(GOOD, ("machine-without-pvh",), ENTRY, "pc-q35-3.1"),
    "the first pc with PVH": Crafted(GOOD, (), ENTRY, "pc-i440fx-4.0"),
    "q35": Crafted(GOOD, (), ENTRY, "q35"),
}
# fmt: on
