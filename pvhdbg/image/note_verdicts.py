"""What preflight says of a file's notes: why QEMU finds no entry in them, or another one than the ABI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.image import notes
from pvhdbg.image.header import PT_NOTE, SHT_NOBITS
from pvhdbg.image.multiboot import SEARCHED1, multiboot1, multiboot2
from pvhdbg.image.verdict import FATAL, WARNING, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.header import Elf


def no_entry(elf: Elf, facts: ImageFacts, scan: notes.Scan) -> Verdict:
    """Why QEMU finds no entry address."""
    strict = notes.abi(elf)
    if scan.reason == notes.ALIGN_ZERO:
        return Verdict(
            "note-align-zero",
            FATAL,
            "a PT_NOTE segment has p_align 0: QEMU divides by it and dies of SIGFPE",
            "link it with an alignment of 4",
        )
    if scan.reason == notes.ZERO:
        return Verdict(
            "entry-zero",
            FATAL,
            "the last note of type 18 says address 0, for QEMU the same as none",
            "give the entry's physical address",
        )
    if strict.entry is not None and strict.note:
        return Verdict(
            "note-align",
            FATAL,
            f"PHYS32_ENTRY {strict.entry:#x} is there, its notes padded to 4, but p_align of their segment is "
            f"{_align_at(elf, strict.note.offset)} and QEMU pads by that: it misses the note",
            "objcopy --remove-section .note.gnu.property, or give .notes a PT_NOTE segment of its own with alignment 4",
        )
    return _no_note(elf, facts)


def _align_at(elf: Elf, offset: int) -> int:
    segments = (each for each in elf.segments if each.type == PT_NOTE)
    return next((each.align for each in segments if each.offset <= offset < each.offset + each.filesz), 0)


def _no_note(elf: Elf, facts: ImageFacts) -> Verdict:
    if any(note.type == notes.PHYS32_ENTRY and note.owner == notes.XEN for note in notes.section_notes(elf)):
        return Verdict(
            "note-not-in-segment",
            FATAL,
            "PHYS32_ENTRY is in a SHT_NOTE section that no PT_NOTE segment holds: QEMU looks at segments alone",
            "add a PT_NOTE program header for the section (PHDRS in the linker script)",
        )
    if _is_zeroed(elf):
        return Verdict(
            "notes-zeroed",
            FATAL,
            "there is room for ELF notes, but nothing in it: they were stripped",
            "keep .notes when stripping (objcopy --keep-section .notes)",
        )
    return Verdict("no-note", FATAL, "no PHYS32_ENTRY note (owner Xen, type 18)", _note_hint(elf, facts))


def _is_zeroed(elf: Elf) -> bool:
    segments = [each for each in elf.segments if each.type == PT_NOTE]
    emptied = any(each.type == SHT_NOBITS and elf.section_name(each) == b".notes" for each in elf.sections)
    return emptied or any(
        each.filesz == 0 or not elf.data[each.offset : each.offset + min(each.filesz, 1 << 20)].strip(b"\0")
        for each in segments
    )


def _note_hint(elf: Elf, facts: ImageFacts) -> str:
    if facts.kind != "elf":
        return "build the kernel with CONFIG_PVH=y"
    second = multiboot2(elf.data)
    if second:
        return f"its multiboot 2 header at {second.offset:#x} is unknown to QEMU's -kernel: add the note"
    late = multiboot1(elf.data, 1 << 20)
    if late:
        return f"its multiboot header at {late.offset:#x} is not in the first {SEARCHED1} bytes: add the note"
    return "add the note, in a PT_NOTE segment"


def odd_note(elf: Elf, scan: notes.Scan) -> Iterator[Verdict]:
    """QEMU finds an entry, but not the one, or not where, the ABI has it."""
    strict, note = notes.abi(elf), scan.note
    if note is None or strict.entry == scan.entry:
        return
    taken = f"QEMU takes the entry {scan.entry:#x} from a note of owner {_quoted(note.owner)} at {note.offset:#x}"
    if strict.entry is not None:
        yield Verdict(
            "decoy-note",
            WARNING,
            f"{taken}; PHYS32_ENTRY is {strict.entry:#x}",
            "QEMU compares no owner: give the other note of type 18 another type, or another place",
        )
    elif note.owner != notes.XEN:
        yield Verdict("owner-not-xen", WARNING, f"{taken}: every other VMM refuses it", 'name the owner "Xen"')
    elif strict.note is None:
        yield Verdict(
            "note-misplaced",
            WARNING,
            f"{taken}, which is not a note of its PT_NOTE segment when names and descriptors are padded to 4",
            "pad them to 4, and let the segment span all of its notes",
        )
    else:
        yield Verdict(
            "note-size",
            WARNING,
            f"{taken}, though {notes.REASONS[strict.reason]}",
            "write the address as 4 bytes, or as 8 of which the upper four are 0",
        )


def lost_scan(scan: notes.Scan) -> Iterator[Verdict]:
    """QEMU reads on behind the notes, whatever lies there."""
    if scan.reason in (notes.BEYOND_FILE, notes.ENDLESS):
        yield Verdict(
            "note-scan-lost",
            FATAL if scan.entry is None else WARNING,
            f"after a PT_NOTE segment without type 18 QEMU reads on behind it: {notes.REASONS[scan.reason]}",
            "gather all notes in one PT_NOTE segment",
        )


def _quoted(owner: bytes) -> str:
    name = owner.removesuffix(b"\0")
    return f'"{printable(name)}"'
