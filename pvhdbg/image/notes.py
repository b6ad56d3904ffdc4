"""How each loader reads the ELF notes: which entry address it uses, or why it finds no entry.

Sources: Xen xen/common/libelf/libelf-dominfo.c; QEMU include/hw/elf_ops.h and hw/i386/x86.c (5.0 to 10.2);
rust-vmm/linux-loader 0.14 src/loader/elf/mod.rs, which Cloud Hypervisor, Firecracker and libkrun use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, partial
from itertools import chain, islice
from struct import Struct

from pvhdbg.image.file import Buffer, end_of_zeros, number_at
from pvhdbg.image.header import (
    CLASS64,
    EHDR64_SIZE,
    PHDR64_SIZE,
    PT_NOTE,
    SHT_NOTE,
    Elf,
    ProgramHeader,
)
from pvhdbg.named_tuple import NamedTuple

PHYS32_ENTRY = 18
XEN = b"Xen\0"
NHDR = Struct("<III")

NO_SEGMENT = "no-segment"
NO_NOTE = "no-note"
ZERO = "zero"
TOO_BIG = "too-big"
BAD_SIZE = "bad-size"
ALIGN_ZERO = "align-zero"
OUTSIDE_FILE = "outside-file"
BEYOND_FILE = "beyond-file"
ENDLESS = "endless"
NOT_ELF64 = "not-elf64"
BAD_HEADER = "bad-header"
LOW_ENTRY = "low-entry"
DUPLICATE = "duplicate"
MALFORMED = "malformed"
ODD_ALIGN = "odd-align"
TOO_LARGE = "too-large"
NOT_X86_64 = "not-x86-64"
LAST_WITHOUT = "last-without"
EMPTY_SEGMENT = "empty-segment"
NOTE_OUTSIDE = "note-outside"

_LONGEST_OWNER = 255
"""How many bytes of a note's owner are read."""

_MAX_STEPS = 1 << 14

REASONS = {
    NO_SEGMENT: "the file has no PT_NOTE segment",
    NO_NOTE: "no note is accepted as PHYS32_ENTRY",
    ZERO: "the entry address is 0",
    TOO_BIG: "the entry address does not fit in 32 bits",
    BAD_SIZE: "the note's descriptor has the wrong size",
    ALIGN_ZERO: "the loader divides by p_align, which is 0, and crashes",
    OUTSIDE_FILE: "the segment extends past the end of the file",
    BEYOND_FILE: "the scan runs past the notes and past the end of the file",
    ENDLESS: f"the scan does not end within {_MAX_STEPS} notes",
    NOT_ELF64: "the loader supports only 64-bit ELF files",
    BAD_HEADER: "the loader requires that e_phentsize is 56 and e_phoff is at least 64",
    LOW_ENTRY: "e_entry is below 1 MiB: Firecracker and Cloud Hypervisor refuse the file (libkrun does not)",
    NOTE_OUTSIDE: "a note extends past the end of the file",
    DUPLICATE: "the file has more than one PHYS32_ENTRY note",
    MALFORMED: "a note extends past the end of its segment",
    ODD_ALIGN: "p_align of a PT_NOTE segment is not a power of 2",
    TOO_LARGE: "a PT_NOTE segment is larger than 1 MiB",
    NOT_X86_64: "the loader supports only files for x86-64",
    LAST_WITHOUT: "the last PT_NOTE segment has no PHYS32_ENTRY note, so the loader uses 0 as the entry address",
    EMPTY_SEGMENT: "a PT_NOTE segment is empty",
}
"""The reasons why a loader finds no entry."""

MAX_NOTES = _MAX_NOTE_RANGES = 4096
"""The limit for notes, and for ranges of notes. Real kernels have 20 notes in one segment, but the headers of a hostile
file can refer to the same bytes 65,535 times.
"""
_MAX_ZEROS = 1 << 28
"""The limit for the bytes of zeros through which pvhdbg follows QEMU's scan."""
_PAGE = 4096
_HIGH_MEMORY = 1 << 20
_MAX_U32 = 0xFFFFFFFF


class RawNote(NamedTuple):
    """A note in the file: the offsets of its header and of its descriptor, its owner with the NUL, its type."""

    offset: int
    owner: bytes
    type: int
    desc_offset: int
    descsz: int


class Scan(NamedTuple):
    """The result of one loader's scan of a file's notes: the entry address that it uses, or None and a key of REASONS.

    `note` is the note with the entry address. QEMU's scan can have both an entry and a reason: after QEMU has found the
    entry, it may read past the end of the file, and the data there can change the result.
    """

    loader: str
    entry: int | None
    reason: str = ""
    note: RawNote | None = None


def all_scans(elf: Elf) -> tuple[Scan, ...]:
    """Return the scans of the ABI, QEMU, Xen and linux-loader."""
    return scan_by_abi(elf), scan_by_qemu(elf), scan_by_xen(elf), scan_by_linux_loader(elf)


def walk(data: Buffer, start: int, end: int) -> Iterator[RawNote]:
    """Yield the notes in a range of a file, with padding to 4 bytes. Stop at a note that extends past the range."""
    end = min(end, len(data))
    while start + NHDR.size <= end:
        note = _padded_note(data, start)
        if note is None or note.desc_offset + note.descsz > end:
            return
        yield note
        start = note.desc_offset + _up(note.descsz, 4)


def next_note(data: Buffer, start: int, end: int, pad: int) -> int | None:
    """Return the offset after the note at `start`, with padding to `pad` bytes; None if it extends past `end`.

    The padding of the last note may be missing.
    """
    header = data[start : min(start + NHDR.size, end)]
    if len(header) < NHDR.size:
        return None
    namesz, descsz, _ = NHDR.unpack(header)
    desc = start + NHDR.size + _up(namesz, pad)
    return None if desc + descsz > end else desc + _up(descsz, pad)


def _padded_note(data: Buffer, start: int) -> RawNote | None:
    """Return the note at an offset, with its name padded to 4 bytes; None if its header is not within the file."""
    head = data[start : start + NHDR.size + _LONGEST_OWNER]
    if len(head) < NHDR.size:
        return None
    namesz, descsz, kind = NHDR.unpack_from(head)
    owner = head[NHDR.size : NHDR.size + min(namesz, _LONGEST_OWNER)]
    return RawNote(start, owner, kind, start + NHDR.size + _up(namesz, 4), descsz)


def segment_notes(elf: Elf) -> list[RawNote]:
    """Return the notes of the PT_NOTE segments: at most 4096 notes, from at most 4096 segments."""
    return _walk_all(elf, _segment_ranges(elf))


def section_notes(elf: Elf) -> list[RawNote]:
    """Return the notes of the SHT_NOTE sections, with the same limits. Only Xen's loader reads sections."""
    return _walk_all(elf, _section_ranges(elf))


def has_more_notes(elf: Elf) -> bool:
    """Return whether the file has notes beyond the limits of `segment_notes` or `section_notes`."""
    for ranges in (_segment_ranges(elf), _section_ranges(elf)):
        if len(ranges) > _MAX_NOTE_RANGES or len(_walk_all(elf, ranges, MAX_NOTES + 1)) > MAX_NOTES:
            return True
    return False


def _segment_ranges(elf: Elf) -> list[tuple[int, int]]:
    return [(segment.offset, segment.filesz) for segment in _note_segments(elf)]


def _section_ranges(elf: Elf) -> list[tuple[int, int]]:
    return [(section.offset, section.size) for section in elf.sections if section.type == SHT_NOTE]


def _walk_all(elf: Elf, ranges: list[tuple[int, int]], limit: int = MAX_NOTES) -> list[RawNote]:
    walks = (walk(elf.data, start, start + size) for start, size in ranges[:_MAX_NOTE_RANGES])
    return list(islice(chain.from_iterable(walks), limit))


def scan_by_abi(elf: Elf) -> Scan:
    """Scan as the ABI specifies: a PT_NOTE segment, owner "Xen", a descriptor of 4 or 8 bytes with a 32-bit address."""
    if not _note_segments(elf):
        return Scan("ABI", None, NO_SEGMENT)
    note = _last_entry(note for note in segment_notes(elf) if note.owner == XEN)
    if note is None:
        return Scan("ABI", None, NO_NOTE)
    if note.descsz not in (4, 8):
        return Scan("ABI", None, BAD_SIZE, note)
    entry = number_at(elf.data, note.desc_offset, note.descsz)
    reason = ZERO if entry == 0 else TOO_BIG if entry >> 32 else ""
    return Scan("ABI", None if reason else entry, reason, note)


def scan_by_xen(elf: Elf) -> Scan:
    """Scan as Xen's domain builders do: the last note wins. Sections are used only if no segment has a Xen note."""
    owned = _named_xen(elf.data, segment_notes(elf))
    note = _last_entry(owned or _named_xen(elf.data, section_notes(elf)))
    if note is None:
        return Scan("Xen", None, NO_NOTE)
    if note.descsz not in (1, 2, 4, 8):
        return Scan("Xen", None, BAD_SIZE, note)
    return Scan("Xen", number_at(elf.data, note.desc_offset, note.descsz) & _MAX_U32, "", note)


def scan_by_qemu(elf: Elf) -> Scan:
    """Scan as QEMU's `-kernel` does: type 18, any owner, padding to p_align. The last segment with a match wins.

    In a 64-bit file, QEMU always reads 8 bytes of the descriptor. It truncates the value to 32 bits after the test for
    0.
    """
    value_and_note: tuple[int, RawNote] | None = None
    reason = ""
    read_segment = cache(partial(_qemu_segment, elf, _Work()))
    try:
        for segment in _note_segments(elf):
            value_and_note = read_segment(segment.offset, segment.filesz, segment.align) or value_and_note
    except _DeadEnd as end:
        if value_and_note is None or end.reason != BEYOND_FILE:
            return Scan("QEMU", None, end.reason)
        reason = end.reason
    if value_and_note is None:
        return Scan("QEMU", None, NO_NOTE if _note_segments(elf) else NO_SEGMENT)
    value, note = value_and_note
    return Scan("QEMU", value & _MAX_U32, reason, note) if value else Scan("QEMU", None, ZERO, note)


class _DeadEnd(Exception):
    """The scan can't continue; `reason` is a key of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Work:
    """The remaining number of steps and zeros that a scan may read."""

    def __init__(self) -> None:
        self.steps = iter(range(_MAX_STEPS))
        self.zeros = _MAX_ZEROS


def _qemu_segment(elf: Elf, work: _Work, start: int, filesz: int, align: int) -> tuple[int, RawNote] | None:
    if filesz == 0:
        return None
    if start + filesz > len(elf.data):
        raise _DeadEnd(OUTSIDE_FILE)
    if align == 0:
        raise _DeadEnd(ALIGN_ZERO)
    modulus = 1 << (64 if elf.elf_class == CLASS64 else 32)
    position = start
    for _ in work.steps:
        namesz, descsz, kind = NHDR.unpack(_mapped(elf.data, position, NHDR.size))
        name = _up(namesz, align, modulus)
        if kind == PHYS32_ENTRY:
            width = 8 if elf.elf_class == CLASS64 else 4
            desc = position + NHDR.size + name
            owner = elf.data[position + NHDR.size : position + NHDR.size + min(namesz, _LONGEST_OWNER)]
            value = int.from_bytes(_mapped(elf.data, desc, width), "little")
            return value, RawNote(position, owner, kind, desc, descsz)
        step = (NHDR.size + name + _up(descsz, align, modulus)) % modulus
        # QEMU compares only the size of this note with the size of the segment, not the position of the scan.
        if step > filesz:
            return None
        if step == 0:
            break
        position = _skip_zeros(elf.data, position, work) if namesz == descsz == kind == 0 else position + step
    raise _DeadEnd(ENDLESS)


def _mapped(data: Buffer, offset: int, size: int) -> bytes:
    """Return the bytes that QEMU reads from its mapping of the file. The last page is filled up with zeros."""
    if offset + size > _up(len(data), _PAGE):
        raise _DeadEnd(BEYOND_FILE)
    return data[offset : offset + size].ljust(size, b"\0")


def _skip_zeros(data: Buffer, position: int, work: _Work) -> int:
    """Return the position of the scan after a run of zeros. QEMU reads zeros as empty notes of 12 bytes each."""
    end = end_of_zeros(data, position, position + work.zeros)
    work.zeros -= end - position
    if work.zeros <= 0:
        raise _DeadEnd(ENDLESS)
    end = end if end < len(data) else _up(len(data), _PAGE)
    return position + max((end - position) // NHDR.size, 1) * NHDR.size


def scan_by_linux_loader(elf: Elf, lowest_entry: int = _HIGH_MEMORY) -> Scan:
    """Scan as linux-loader does: only the last PT_NOTE segment counts, even if it has no note. An error ends the scan.

    Firecracker and Cloud Hypervisor refuse an e_entry below 1 MiB, although they start at the address in the note.
    libkrun accepts any: `lowest_entry` is 0.
    """
    if elf.elf_class != CLASS64:
        return Scan("linux-loader", None, NOT_ELF64)
    if elf.phentsize != PHDR64_SIZE or elf.phoff < EHDR64_SIZE:
        return Scan("linux-loader", None, BAD_HEADER)
    if elf.entry < lowest_entry:
        return Scan("linux-loader", None, LOW_ENTRY)
    scan = Scan("linux-loader", None, NO_SEGMENT)
    read_segment = cache(partial(_linux_loader_segment, elf, _Work().steps))
    for segment in _note_segments(elf):
        scan = read_segment(segment.offset, segment.filesz)
        if scan.reason not in ("", NO_NOTE):
            return scan
    return scan


def _linux_loader_segment(elf: Elf, steps: Iterator[int], start: int, filesz: int) -> Scan:
    """Scan the notes that begin in the segment. The last note may extend past the end of the segment."""
    if start + filesz > len(elf.data):
        return Scan("linux-loader", None, OUTSIDE_FILE)
    position = start
    for _ in steps:
        if position >= start + filesz:
            return Scan("linux-loader", None, NO_NOTE)
        note = _padded_note(elf.data, position)
        if note is None:
            return Scan("linux-loader", None, NOTE_OUTSIDE)
        if note.type == PHYS32_ENTRY and note.owner == XEN:
            return _linux_loader_entry(elf.data, note)
        name, desc = note.desc_offset - position - NHDR.size, _up(note.descsz, 4)
        if max(name, desc) > _MAX_U32:
            return Scan("linux-loader", None, NOTE_OUTSIDE)
        position += NHDR.size + name + desc
    return Scan("linux-loader", None, ENDLESS)


def _linux_loader_entry(data: Buffer, note: RawNote) -> Scan:
    if note.descsz < 4:
        return Scan("linux-loader", None, BAD_SIZE, note)
    if note.desc_offset + 4 > len(data):
        return Scan("linux-loader", None, NOTE_OUTSIDE, note)
    return Scan("linux-loader", number_at(data, note.desc_offset, 4), "", note)


def _note_segments(elf: Elf) -> list[ProgramHeader]:
    return [segment for segment in elf.segments if segment.type == PT_NOTE]


def _last_entry(notes: Iterable[RawNote]) -> RawNote | None:
    entries = [note for note in notes if note.type == PHYS32_ENTRY]
    return entries[-1] if entries else None


def _named_xen(data: Buffer, notes: Iterable[RawNote]) -> list[RawNote]:
    """Return the notes whose name is "Xen". Xen compares up to the NUL and ignores n_namesz, which may not count it."""
    return [note for note in notes if data[note.offset + NHDR.size : note.offset + NHDR.size + len(XEN)] == XEN]


def _up(value: int, align: int, modulus: int = 1 << 64) -> int:
    """Round up to a multiple of `align`, wrapping at `modulus` as QEMU's unsigned integers do."""
    return (value + align - 1) % modulus // align * align % modulus
