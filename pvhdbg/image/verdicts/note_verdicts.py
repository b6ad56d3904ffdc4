"""Verdicts about the ELF notes: why QEMU finds no entry, or an entry that does not conform to the ABI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.image import notes
from pvhdbg.image.file import end_of_zeros, occurrences
from pvhdbg.image.header import PT_NOTE, SHT_NOBITS
from pvhdbg.image.multiboot import SEARCHED1, find_multiboot1, find_multiboot2
from pvhdbg.image.verdicts import unread_notes
from pvhdbg.image.verdicts.segment_verdicts import entry_is_vaddr, segment_at
from pvhdbg.image.verdicts.verdict import FATAL, WARNING, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.header import Elf
    from pvhdbg.image.verdicts.unread_notes import Damage, Stray

_LONGEST_SEARCHED, _MOST_ZEROED = 1 << 20, 64
"""The most bytes of a segment that are searched, and the most segments that are checked for stripped notes."""

_ADD_NOTE = 'add the note in assembly (`.section .note.Xen, "a", @note`), and keep it in a PT_NOTE segment'
_PHDRS = "in the linker script: `PHDRS { text PT_LOAD; note PT_NOTE; }` and `.notes : { *(.note*) } :text :note`"
_GNU_PROPERTY = b"\5\0\0\0GNU\0"  # n_type and the name
_MULTIBOOT_SEARCHED = 1 << 20


def about_notes(elf: Elf, facts: ImageFacts, scan: notes.Scan) -> Iterator[Verdict]:
    """Yield the verdicts about the notes, the root cause first."""
    strict = notes.scan_by_abi(elf)
    if strict.entry is not None and strict.note and scan.note and _is_shifted(strict.note, scan.note):
        yield _shifted(elf, scan, strict.entry, strict.note)
    elif scan.entry is not None:
        yield from _nonconforming_note(elf, scan, strict)
    elif scan.reason != notes.ENDLESS:
        yield _no_entry(elf, facts, scan, strict)
    yield from _damaged_note(elf, scan)
    yield from _lost_scan(scan)


def _is_shifted(right: notes.RawNote, read: notes.RawNote) -> bool:
    """Return whether QEMU reads the address of the right note at the wrong offset."""
    return right.offset == read.offset and right.desc_offset != read.desc_offset


_LOST_NOTE = (
    "keep the notes when stripping or converting the file: this kernel was built with CONFIG_PVH=y, because it has "
    "xen_prepare_pvh"
)


def _shifted(elf: Elf, scan: notes.Scan, entry: int, note: notes.RawNote) -> Verdict:
    align, read = _align_at(elf, note.offset), scan.entry or 0
    return Verdict(
        "note-shifted",
        FATAL,
        f"QEMU reads the entry {read:#x} instead of {entry:#x}: p_align of the notes' segment is {align}, but "
        "PHYS32_ENTRY is padded to 4 bytes",
        _alignment_fix(elf, note.offset),
        {"offset": note.offset, "align": align, "entry": entry, "read": read},
    )


def _alignment_fix(elf: Elf, offset: int) -> str:
    """Return how to get a segment of p_align 4. What raises it to 8 is almost always the note of the GNU properties."""
    if _has_properties(elf, offset):
        return (
            "leave the GNU property note out: assemble with `-Wa,-mx86-used-note=no`, or put "
            "`/DISCARD/ : { *(.note.gnu.property) }` first in the linker script's SECTIONS"
        )
    return "align the note's section to 4 bytes: `.balign 4` in assembly, and no larger ALIGN() in the linker script"


def _has_properties(elf: Elf, offset: int) -> bool:
    """Return whether the segment of the note at `offset` has a note of GNU properties, wherever its padding puts it."""
    for segment in elf.segments:
        if segment.type == PT_NOTE and segment.offset <= offset < segment.offset + segment.filesz:
            end = segment.offset + min(segment.filesz, _LONGEST_SEARCHED)
            return any(True for _ in occurrences(elf.data, _GNU_PROPERTY, segment.offset, end))
    return False


def _align_at(elf: Elf, offset: int) -> int:
    for segment in elf.segments:
        if segment.type == PT_NOTE and segment.offset <= offset < segment.offset + segment.filesz:
            return segment.align
    return 0


def _no_entry(elf: Elf, facts: ImageFacts, scan: notes.Scan, strict: notes.Scan) -> Verdict:
    """Return the verdict that explains why QEMU finds no entry address."""
    if scan.reason == notes.ALIGN_ZERO:
        return Verdict(
            "note-align-zero",
            FATAL,
            "a PT_NOTE segment has p_align 0: QEMU divides by it and crashes with SIGFPE",
            "link the segment with an alignment of 4",
        )
    if scan.reason == notes.ZERO:
        return _entry_zero(scan.note, "QEMU treats this as no entry")
    if strict.entry is not None and strict.note:
        align = _align_at(elf, strict.note.offset)
        return Verdict(
            "note-align",
            FATAL,
            f"QEMU misses PHYS32_ENTRY ({strict.entry:#x}): p_align of its segment is {align}, but the notes are "
            "padded to 4 bytes",
            _alignment_fix(elf, strict.note.offset),
            {"offset": strict.note.offset, "align": align, "entry": strict.entry},
        )
    return _no_note(elf, facts)


def _entry_zero(note: notes.RawNote | None, result: str) -> Verdict:
    return Verdict(
        "entry-zero",
        FATAL,
        f"the last note of type 18 contains the address 0: {result}",
        "write the physical address of the entry into the note",
        {} if note is None else {"offset": note.offset},
    )


def _no_note(elf: Elf, facts: ImageFacts) -> Verdict:
    listed = [note for note in notes.section_notes(elf) if note.type == notes.PHYS32_ENTRY and note.owner == notes.XEN]
    if listed:
        return Verdict(
            "note-not-in-segment",
            FATAL,
            "PHYS32_ENTRY is in an SHT_NOTE section but in no PT_NOTE segment: QEMU reads only segments",
            f"add a PT_NOTE program header for the section, {_PHDRS}",
            {"offset": listed[0].offset},
        )
    if _is_zeroed(elf):
        return Verdict(
            "notes-zeroed",
            FATAL,
            "the ELF notes are all zeros: their content was stripped",
            "keep .notes when you strip the kernel (`objcopy --keep-section .notes`)",
        )
    found, stray = unread_notes.damage(elf), unread_notes.stray_entry(elf)
    if found:
        return _damaged(found, stray, FATAL)
    return _stray(stray) if stray else _never_written(elf, facts)


def _is_zeroed(elf: Elf) -> bool:
    if any(section.type == SHT_NOBITS and elf.section_name(section) == b".notes" for section in elf.sections):
        return True
    ranges = {(segment.offset, segment.filesz) for segment in elf.segments if segment.type == PT_NOTE}
    ends = ((start, start + min(size, _LONGEST_SEARCHED)) for start, size in sorted(ranges)[:_MOST_ZEROED])
    return any(end_of_zeros(elf.data, start, end) == min(end, len(elf.data)) for start, end in ends)


def _damaged(found: Damage, stray: Stray | None, severity: str) -> Verdict:
    is_lost = stray is not None and found.offset <= stray.offset < found.offset + found.unread
    return Verdict(
        "note-damaged",
        severity,
        f"the note at {found.offset:#x} extends past the end of its segment: n_namesz is {found.namesz:#x}, n_descsz "
        f"{found.descsz:#x}, so the last {found.unread} bytes of the segment are not read"
        f"{', and PHYS32_ENTRY is there' if is_lost else ''}",
        "write the sizes of the name, with its NUL, and of the descriptor into the note, and pad both to 4 bytes",
        {
            "offset": found.offset,
            "namesz": found.namesz,
            "descsz": found.descsz,
            "unread": found.unread,
            **({"entry_note": stray.offset} if is_lost and stray else {}),
        },
    )


def _stray(stray: Stray) -> Verdict:
    """Return the verdict on a PHYS32_ENTRY note that is in the file, but not where loaders read notes."""
    what = f"PHYS32_ENTRY ({stray.entry:#x})"
    name = printable(stray.section)
    fields: dict[str, int | str] = {"offset": stray.offset, "entry": stray.entry}
    if not stray.section:
        return Verdict(
            "note-not-in-segment",
            FATAL,
            f"{what} is in no PT_NOTE segment: QEMU does not read the note, which is at {stray.offset:#x} in the file",
            f"add a PT_NOTE program header for the note, {_PHDRS}",
            fields,
        )
    fix = (
        f'declare the section as notes: `.section {name}, "a", @note` in gas, `section {name} note alloc` in NASM'
        if stray.section.startswith(".note")
        else f"give the note an output section of its own, {_PHDRS}"
    )
    return Verdict(
        "note-in-progbits",
        FATAL,
        f"{what} is in {name}, which is not a note section: no loader reads the note at {stray.offset:#x}",
        fix,
        {**fields, "section": stray.section},
    )


def _never_written(elf: Elf, facts: ImageFacts) -> Verdict:
    """Return the verdict on a file without the note: what kind of kernel it is instead."""
    if facts.is_linux:
        return _no_note_at_all(_LOST_NOTE if _has_pvh_code(elf) else "build the kernel with CONFIG_PVH=y")
    if find_multiboot1(elf.data):  # it has a verdict of its own
        return _no_note_at_all(_ADD_NOTE)
    if header := find_multiboot2(elf.data):
        return Verdict(
            "multiboot2",
            FATAL,
            f"QEMU's -kernel does not support multiboot 2: the file has only that header, at {header.offset:#x}, and "
            "no PHYS32_ENTRY note",
            f"boot the file through GRUB, or {_ADD_NOTE}",
            {"offset": header.offset},
        )
    if header := find_multiboot1(elf.data, _MULTIBOOT_SEARCHED):
        return Verdict(
            "multiboot-too-deep",
            FATAL,
            f"the multiboot header at {header.offset:#x} is too far into the file: QEMU searches only the first "
            f"{SEARCHED1} bytes, and the file has no PHYS32_ENTRY note",
            "put the header into a section of its own, and place that section first: `SECTIONS { . = 1M; .boot : "
            "{ KEEP(*(.multiboot)) } ... }`; to boot via PVH, add the note",
            {"offset": header.offset, "searched": SEARCHED1},
        )
    return _no_note_at_all(_ADD_NOTE)


def _has_pvh_code(elf: Elf) -> bool:
    """Return whether the file has Linux's PVH code: the symbol table has the name of its C function."""
    names = elf.section(b".strtab")
    if names is None:
        return False
    return any(occurrences(elf.data, b"\0xen_prepare_pvh\0", names.offset, names.offset + names.size))


def _no_note_at_all(hint: str) -> Verdict:
    return Verdict("no-note", FATAL, "no PHYS32_ENTRY note (owner Xen, type 18): not a PVH kernel", hint)


def _nonconforming_note(elf: Elf, scan: notes.Scan, strict: notes.Scan) -> Iterator[Verdict]:
    """Yield a verdict if QEMU finds an entry that is not the ABI's, or that is not encoded as the ABI requires."""
    note = scan.note
    if note is None or strict.entry == scan.entry:
        return
    source = f"QEMU reads the entry {scan.entry:#x} from the note at {note.offset:#x}"
    fields: dict[str, int | str] = {"offset": note.offset, "read": scan.entry or 0}
    if strict.entry is not None:
        severity = WARNING if segment_at(elf, scan.entry or 0) else FATAL
        yield _decoy(note, strict.entry, severity, source, fields)
    elif note.owner != notes.XEN:
        yield _wrong_owner(note, source, fields)
    elif strict.note is None:
        yield _misplaced(elf, note, source, fields)
    elif strict.reason == notes.TOO_BIG:
        yield _too_big(elf, scan, strict.note)
    elif strict.reason == notes.ZERO:
        yield _entry_zero(strict.note, "QEMU enters the kernel there")
    else:
        yield Verdict(
            "note-size",
            WARNING,
            f"{notes.REASONS[strict.reason]}: {source}, but other loaders do not",
            "write the address as 4 bytes, or as 8 bytes with the upper 4 set to 0",
            {**fields, "descsz": strict.note.descsz},
        )


def _decoy(note: notes.RawNote, entry: int, severity: str, source: str, fields: dict[str, int | str]) -> Verdict:
    return Verdict(
        "decoy-note",
        severity,
        f"QEMU mistakes another note for PHYS32_ENTRY: {source}, of owner {_quote(note.owner)}, but the right "
        f"note has {entry:#x}",
        "change the type of the other note, or move that note: QEMU does not check the owner",
        {**fields, "owner": _name(note.owner), "entry": entry},
    )


def _wrong_owner(note: notes.RawNote, source: str, fields: dict[str, int | str]) -> Verdict:
    if note.owner + b"\0" == notes.XEN:
        return Verdict(
            "note-name-without-nul",
            WARNING,
            f"n_namesz {len(note.owner)} of the PHYS32_ENTRY note does not count the NUL: {source}, but linux-loader "
            "skips it",
            f'set n_namesz to {len(notes.XEN)} and end the name with a NUL (`.long 4, 4, 18` and `.asciz "Xen"`)',
            {**fields, "namesz": len(note.owner)},
        )
    return Verdict(
        "owner-not-xen",
        WARNING,
        f"the owner of the note is {_quote(note.owner)}, not Xen: {source}, but every other VMM requires the owner Xen",
        'set the owner to "Xen"',
        {**fields, "owner": _name(note.owner)},
    )


def _misplaced(elf: Elf, note: notes.RawNote, source: str, fields: dict[str, int | str]) -> Verdict:
    """Return the verdict on a note that only QEMU finds: the segment is too short, or its notes are padded to 8."""
    align = _align_at(elf, note.offset)
    if align > 4:
        return Verdict(
            "note-padding",
            WARNING,
            f"the notes are padded to p_align {align}: {source}, but loaders that expect 4 bytes miss it",
            "pad names and descriptors to 4 bytes (`.balign 4`), and link the notes with an alignment of 4",
            {**fields, "align": align},
        )
    return Verdict(
        "note-misplaced",
        WARNING,
        f"the PHYS32_ENTRY note is past the end of its PT_NOTE segment: {source}, but other loaders miss it",
        "make the segment cover all of its notes",
        fields,
    )


def _too_big(elf: Elf, scan: notes.Scan, note: notes.RawNote) -> Verdict:
    value = int.from_bytes(elf.data[note.desc_offset : note.desc_offset + note.descsz], "little")
    entry = scan.entry or 0
    if verdict := entry_is_vaddr(elf, value):
        return verdict
    return Verdict(
        "entry-too-big",
        WARNING if segment_at(elf, entry) else FATAL,
        f"the address in the PHYS32_ENTRY note does not fit in 32 bits: it is {value:#x}, and QEMU enters the kernel "
        f"at {entry:#x}",
        "write the entry's physical address into the note, and load the entry's code below 4 GiB",
        {"offset": note.offset, "value": value, "read": entry},
    )


def _damaged_note(elf: Elf, scan: notes.Scan) -> Iterator[Verdict]:
    """Yield a warning if QEMU finds its entry, but a segment also has a damaged note."""
    if scan.entry is not None and (found := unread_notes.damage(elf)):
        yield _damaged(found, None, WARNING)


def _lost_scan(scan: notes.Scan) -> Iterator[Verdict]:
    """Yield a verdict if QEMU's scan runs past the end of the notes: the result depends on the bytes after them.

    If QEMU finds no entry there, `_no_entry` names the cause.
    """
    if scan.reason == notes.ENDLESS or (scan.reason == notes.BEYOND_FILE and scan.entry is not None):
        cause = (
            "QEMU reads past a PT_NOTE segment without a note of type 18"
            if scan.reason == notes.BEYOND_FILE
            else "pvhdbg can't predict the entry that QEMU finds"
        )
        yield Verdict(
            "note-scan-lost",
            FATAL if scan.entry is None else WARNING,
            f"{cause}: {notes.REASONS[scan.reason]}",
            "put all notes into one PT_NOTE segment",
        )


def _name(owner: bytes) -> str:
    return owner.removesuffix(b"\0").decode("latin-1")


def _quote(owner: bytes) -> str:
    name = owner.removesuffix(b"\0")
    return f'"{printable(name)}"'
