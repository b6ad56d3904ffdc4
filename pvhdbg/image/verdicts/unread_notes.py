"""Find the notes that no loader reads: after a damaged note, in a section that is not a note section, or unlisted.

Source: the System V gABI, "Note Section"; the layout of a PHYS32_ENTRY note in xen/include/public/elfnote.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.image.file import end_of_zeros, occurrences
from pvhdbg.image.header import PT_NOTE, SHT_NOBITS, SHT_NULL
from pvhdbg.image.notes import NHDR, PHYS32_ENTRY, XEN, next_note
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.image.header import Elf, SectionHeader

_SEARCHED = 64 << 20
_MOST_SEGMENTS, _MOST_NOTES, _MOST_FOUND = 64, 4096, 64
_LONGEST_ZEROED = 1 << 16
_WIDE = 8
"""The padding of notes that the gABI specifies for 64-bit files. Almost no toolchain uses it."""
_TYPE_AND_OWNER = PHYS32_ENTRY.to_bytes(4, "little") + XEN
_SIZES = (4, 8)


class Damage(NamedTuple):
    """The first note of a PT_NOTE segment that extends past the segment's end: its offset in the file and its sizes.

    `unread` is the number of bytes of the segment from this note on, which no loader can read as notes.
    """

    offset: int
    namesz: int
    descsz: int
    unread: int


class Stray(NamedTuple):
    """The bytes of a PHYS32_ENTRY note, wherever they are: their offset in the file, the address, and the section.

    `section` is the name of the section that contains the note, empty if none does.
    """

    offset: int
    entry: int
    section: str


def damage(elf: Elf) -> Damage | None:
    """Return the first damaged note in a PT_NOTE segment, or None. At most 64 segments and 4096 notes are read."""
    rows = {(it.offset, it.filesz, it.align == _WIDE) for it in elf.segments if it.type == PT_NOTE}
    steps = iter(range(_MOST_NOTES))
    found = (_damage_in(elf, steps, *row) for row in sorted(rows)[:_MOST_SEGMENTS])
    return next(filter(None, found), None)


def _damage_in(elf: Elf, steps: Iterator[int], start: int, size: int, is_wide: bool) -> Damage | None:
    """Return the damaged note of a segment. Its notes may be padded to 4 bytes or, with p_align 8, to 8 bytes."""
    end = min(start + size, len(elf.data))
    ends = [_end_of_notes(elf, steps, start, end, pad) for pad in ((4, _WIDE) if is_wide else (4,))]
    if None in ends or end in ends:
        return None
    at = max(it for it in ends if it is not None)  # may be 0: a segment may begin at the start of the file
    checked = min(end, at + _LONGEST_ZEROED)
    if end_of_zeros(elf.data, at, checked) == checked:
        return None
    namesz, descsz, _ = NHDR.unpack(elf.data[at : at + NHDR.size].ljust(NHDR.size, b"\0"))
    return Damage(at, namesz, descsz, end - at)


def _end_of_notes(elf: Elf, steps: Iterator[int], start: int, end: int, pad: int) -> int | None:
    """Return the offset of the first note that does not fit; `end` if all notes fit; None if there are too many."""
    for _ in steps:
        if start >= end:
            return end
        follower = next_note(elf.data, start, end, pad)
        if follower is None:
            return start
        start = follower
    return None


def stray_entry(elf: Elf) -> Stray | None:
    """Return the first PHYS32_ENTRY note in the first 64 MiB of the file, as bytes that look like one; or None."""
    return next(_stray_entries(elf), None)


def _stray_entries(elf: Elf) -> Iterator[Stray]:
    data = elf.data
    for count, offset in enumerate(occurrences(data, _TYPE_AND_OWNER, 0, min(_SEARCHED, len(data)))):
        if count == _MOST_FOUND:
            return
        start = offset - 8
        desc = start + NHDR.size + len(XEN)
        if start < 0:
            continue
        namesz, descsz, _ = NHDR.unpack(data[start : start + NHDR.size])
        if namesz in (len(XEN) - 1, len(XEN)) and descsz in _SIZES and desc + descsz <= len(data):
            section = _section_at(elf, start)
            name = elf.section_name(section).decode("latin-1") if section else ""
            yield Stray(start, int.from_bytes(data[desc : desc + descsz], "little"), name)


def _section_at(elf: Elf, offset: int) -> SectionHeader | None:
    for section in elf.sections:
        if section.type not in (SHT_NULL, SHT_NOBITS) and section.offset <= offset < section.offset + section.size:
            return section
    return None
