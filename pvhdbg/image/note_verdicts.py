"""Preflight's verdicts about the ELF notes: why QEMU finds no entry, or an entry that does not conform to the ABI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.image import notes
from pvhdbg.image.file import end_of_zeros
from pvhdbg.image.header import PT_NOTE, SHT_NOBITS
from pvhdbg.image.multiboot import SEARCHED1, find_multiboot1, find_multiboot2
from pvhdbg.image.verdict import FATAL, WARNING, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.header import Elf


_LONGEST_ZEROED, _MOST_ZEROED = 1 << 20, 64
"""The most bytes of a segment, and the most segments, that are checked for stripped notes."""


def no_entry(elf: Elf, facts: ImageFacts, scan: notes.Scan) -> Verdict:
    """Return the verdict that explains why QEMU finds no entry address."""
    strict = notes.scan_by_abi(elf)
    if scan.reason == notes.ALIGN_ZERO:
        return Verdict(
            "note-align-zero",
            FATAL,
            "a PT_NOTE segment has p_align 0: QEMU divides by it and crashes with SIGFPE",
            "link the segment with an alignment of 4",
        )
    if scan.reason == notes.ZERO:
        return Verdict(
            "entry-zero",
            FATAL,
            "the last note of type 18 contains the address 0: QEMU treats this as no entry",
            "write the physical address of the entry into the note",
        )
    if strict.entry is not None and strict.note:
        return Verdict(
            "note-align",
            FATAL,
            f"the notes are padded to 4 bytes, but p_align of their segment is {_align_at(elf, strict.note.offset)}: "
            f"QEMU expects padding to p_align and misses PHYS32_ENTRY ({strict.entry:#x})",
            "run `objcopy --remove-section .note.gnu.property`, or give .notes its own PT_NOTE segment aligned to 4",
        )
    return _no_note(elf, facts)


def _align_at(elf: Elf, offset: int) -> int:
    for segment in elf.segments:
        if segment.type == PT_NOTE and segment.offset <= offset < segment.offset + segment.filesz:
            return segment.align
    return 0


def _no_note(elf: Elf, facts: ImageFacts) -> Verdict:
    if any(note.type == notes.PHYS32_ENTRY and note.owner == notes.XEN for note in notes.section_notes(elf)):
        return Verdict(
            "note-not-in-segment",
            FATAL,
            "PHYS32_ENTRY is in an SHT_NOTE section but not in a PT_NOTE segment: QEMU reads only segments",
            "add a PT_NOTE program header for the section (PHDRS in the linker script)",
        )
    if _is_zeroed(elf):
        return Verdict(
            "notes-zeroed",
            FATAL,
            "the ELF notes are all zeros: their content was stripped",
            "keep .notes when you strip the kernel (`objcopy --keep-section .notes`)",
        )
    return Verdict(
        "no-note", FATAL, "no PHYS32_ENTRY note (owner Xen, type 18): not a PVH kernel", _note_hint(elf, facts)
    )


def _is_zeroed(elf: Elf) -> bool:
    if any(section.type == SHT_NOBITS and elf.section_name(section) == b".notes" for section in elf.sections):
        return True
    ranges = {(segment.offset, segment.filesz) for segment in elf.segments if segment.type == PT_NOTE}
    ends = ((start, start + min(size, _LONGEST_ZEROED)) for start, size in sorted(ranges)[:_MOST_ZEROED])
    return any(end_of_zeros(elf.data, start, end) == min(end, len(elf.data)) for start, end in ends)


def _note_hint(elf: Elf, facts: ImageFacts) -> str:
    if facts.kind != "elf":
        return "build the kernel with CONFIG_PVH=y"
    multiboot2 = find_multiboot2(elf.data)
    if multiboot2:
        return (
            f"add a PHYS32_ENTRY note: QEMU's -kernel does not support multiboot 2 (header at {multiboot2.offset:#x})"
        )
    multiboot1 = find_multiboot1(elf.data, 1 << 20)
    if multiboot1:
        return (
            f"add a PHYS32_ENTRY note: QEMU looks for a multiboot header only in the first {SEARCHED1} bytes of a file "
            f"(this header is at {multiboot1.offset:#x})"
        )
    return "add a PHYS32_ENTRY note in a PT_NOTE segment"


def nonconforming_note(elf: Elf, scan: notes.Scan) -> Iterator[Verdict]:
    """Yield a verdict if QEMU finds an entry that is not the ABI's, or that is not encoded as the ABI requires."""
    strict, note = notes.scan_by_abi(elf), scan.note
    if note is None or strict.entry == scan.entry:
        return
    source = f"QEMU reads the entry {scan.entry:#x} from a note of owner {_quote(note.owner)} at {note.offset:#x}"
    if strict.entry is not None:
        yield Verdict(
            "decoy-note",
            WARNING,
            f"{source}, but PHYS32_ENTRY is {strict.entry:#x}",
            "change the type of the other note, or move that note: QEMU does not check the owner",
        )
    elif note.owner != notes.XEN:
        yield Verdict(
            "owner-not-xen", WARNING, f"{source}: every other VMM requires the owner Xen", 'set the owner to "Xen"'
        )
    elif strict.note is None:
        yield Verdict(
            "note-misplaced",
            WARNING,
            f"{source}, but with the ABI's padding to 4 bytes, its PT_NOTE segment has no PHYS32_ENTRY note",
            "pad names and descriptors to 4 bytes, and make the segment cover all of its notes",
        )
    else:
        yield Verdict(
            "note-size",
            WARNING,
            f"{source}, but according to the ABI, {notes.REASONS[strict.reason]}",
            "write the address as 4 bytes, or as 8 bytes with the upper 4 set to 0",
        )


def lost_scan(scan: notes.Scan) -> Iterator[Verdict]:
    """Yield a verdict if QEMU's scan runs past the end of the notes: the result depends on the bytes after them."""
    if scan.reason in (notes.BEYOND_FILE, notes.ENDLESS):
        cause = (
            "a PT_NOTE segment has no note of type 18, so QEMU reads on past its end"
            if scan.reason == notes.BEYOND_FILE
            else "pvhdbg can't predict the entry that QEMU finds"
        )
        yield Verdict(
            "note-scan-lost",
            FATAL if scan.entry is None else WARNING,
            f"{cause}: {notes.REASONS[scan.reason]}",
            "put all notes into one PT_NOTE segment",
        )


def _quote(owner: bytes) -> str:
    name = owner.removesuffix(b"\0")
    return f'"{printable(name)}"'
