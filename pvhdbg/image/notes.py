"""How each loader reads the ELF notes: the entry address it uses, or why it finds none.

Sources: Xen xen/common/libelf/libelf-dominfo.c; QEMU include/hw/elf_ops.h and hw/i386/x86.c (5.0 to 10.2);
rust-vmm/linux-loader src/loader/elf/mod.rs, which Cloud Hypervisor and Firecracker use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from struct import Struct
from typing import NamedTuple

from pvhdbg.image.header import CLASS64, PT_LOAD, PT_NOTE, SHT_NOTE, Buffer, Elf, ProgramHeader

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
LOAD_ALIGN = "load-align"

REASONS = {
    NO_SEGMENT: "the file has no PT_NOTE segment",
    NO_NOTE: "no note is accepted as PHYS32_ENTRY",
    ZERO: "the entry address is 0",
    TOO_BIG: "the entry address does not fit in 32 bits",
    BAD_SIZE: "the note's descriptor has the wrong size",
    ALIGN_ZERO: "it divides by p_align, which is 0, and crashes",
    OUTSIDE_FILE: "the segment extends past the end of the file",
    BEYOND_FILE: "the scan runs past the notes and past the end of the file",
    ENDLESS: "the scan runs past the notes and never ends",
    NOT_ELF64: "it loads only 64-bit ELF files",
    LOAD_ALIGN: "it requires p_align of each PT_LOAD segment to be a multiple of 2 MiB",
}
"""Why a loader finds no entry. "It" is the loader."""

_MAX_NOTES = 4096
# QEMU's scan can run past the notes and read whatever follows, and segments can share notes. No file that boots needs
# nearly as many steps.
_MAX_STEPS = 1 << 16
_PAGE = 4096
_NONZERO = re.compile(rb"[^\0]")


class RawNote(NamedTuple):
    """A note in the file: the offsets of its header and of its descriptor, its owner with the NUL, its type."""

    offset: int
    owner: bytes
    type: int
    desc_offset: int
    descsz: int


class Scan(NamedTuple):
    """How one loader reads a file's notes: the entry address it uses, or None and a key of REASONS.

    `note` is the note that decides. QEMU's scan can have both an entry and a reason: after it has found the entry it
    may read past the end of the file, and anything there can change the result.
    """

    loader: str
    entry: int | None
    reason: str = ""
    note: RawNote | None = None


def all_scans(elf: Elf) -> tuple[Scan, ...]:
    """Return the scans of the ABI, QEMU, Xen and linux-loader."""
    return scan_by_abi(elf), scan_by_qemu(elf), scan_by_xen(elf), scan_by_linux_loader(elf)


def walk(data: Buffer, start: int, end: int) -> Iterator[RawNote]:
    """Yield the notes in a range of a file up to the first that does not fit. Names and descriptors are padded to 4."""
    end = min(end, len(data))
    while start + NHDR.size <= end:
        namesz, descsz, kind = NHDR.unpack_from(data, start)
        desc = start + NHDR.size + _up(namesz, 4)
        if desc + descsz > end:
            return
        owner = data[start + NHDR.size : start + NHDR.size + min(namesz, 255)]
        yield RawNote(start, owner, kind, desc, descsz)
        start = desc + _up(descsz, 4)


def segment_notes(elf: Elf) -> list[RawNote]:
    """Return the notes of all PT_NOTE segments, at most 4096."""
    return _walk_all(elf, ((segment.offset, segment.filesz) for segment in _note_segments(elf)))


def section_notes(elf: Elf) -> list[RawNote]:
    """Return the notes of all SHT_NOTE sections, at most 4096. Only Xen's loader reads sections."""
    return _walk_all(elf, ((section.offset, section.size) for section in elf.sections if section.type == SHT_NOTE))


def _walk_all(elf: Elf, ranges: Iterable[tuple[int, int]]) -> list[RawNote]:
    walks = (walk(elf.data, start, start + size) for start, size in ranges)
    return list(islice(chain.from_iterable(walks), _MAX_NOTES))


def scan_by_abi(elf: Elf) -> Scan:
    """Scan strictly by the ABI: a PT_NOTE segment, owner "Xen", a descriptor of 4 or 8 bytes with a 32-bit address."""
    if not _note_segments(elf):
        return Scan("ABI", None, NO_SEGMENT)
    note = _last_entry(segment_notes(elf))
    if note is None:
        return Scan("ABI", None, NO_NOTE)
    if note.descsz not in (4, 8):
        return Scan("ABI", None, BAD_SIZE, note)
    entry = _number(elf.data, note.desc_offset, note.descsz)
    reason = ZERO if entry == 0 else TOO_BIG if entry >> 32 else ""
    return Scan("ABI", None if reason else entry, reason, note)


def scan_by_xen(elf: Elf) -> Scan:
    """Scan as Xen's domain builders do: the last note wins; sections count only if no segment has a note of Xen's."""
    owned = [note for note in segment_notes(elf) if note.owner == XEN]
    note = _last_entry(owned or section_notes(elf))
    if note is None:
        return Scan("Xen", None, NO_NOTE)
    if note.descsz not in (1, 2, 4, 8):
        return Scan("Xen", None, BAD_SIZE, note)
    return Scan("Xen", _number(elf.data, note.desc_offset, note.descsz) & 0xFFFFFFFF, "", note)


def scan_by_qemu(elf: Elf) -> Scan:
    """Scan as QEMU's `-kernel` does: type 18 of any owner, padding to p_align, the last segment with such a note wins.

    QEMU reads 8 bytes of a 64-bit file's descriptor whatever its size, and truncates to 32 bits after the test for 0.
    """
    value_and_note: tuple[int, RawNote] | None = None
    reason = ""
    steps = iter(range(_MAX_STEPS))
    try:
        for segment in _note_segments(elf):
            value_and_note = _qemu_segment(elf, segment, steps) or value_and_note
    except _DeadEnd as end:
        if value_and_note is None or end.reason != BEYOND_FILE:
            return Scan("QEMU", None, end.reason)
        reason = end.reason
    if value_and_note is None:
        return Scan("QEMU", None, NO_NOTE if _note_segments(elf) else NO_SEGMENT)
    value, note = value_and_note
    return Scan("QEMU", value & 0xFFFFFFFF, reason, note) if value else Scan("QEMU", None, ZERO, note)


class _DeadEnd(Exception):
    """The scan can't continue; `reason` is a key of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _qemu_segment(elf: Elf, segment: ProgramHeader, steps: Iterator[int]) -> tuple[int, RawNote] | None:
    if segment.filesz == 0:
        return None
    if segment.offset + segment.filesz > len(elf.data):
        raise _DeadEnd(OUTSIDE_FILE)
    if segment.align == 0:
        raise _DeadEnd(ALIGN_ZERO)
    modulus = 1 << (64 if elf.elf_class == CLASS64 else 32)
    position = segment.offset
    for _ in steps:
        namesz, descsz, kind = NHDR.unpack(_mapped(elf.data, position, NHDR.size))
        name = _up(namesz, segment.align, modulus)
        if kind == PHYS32_ENTRY:
            width = 8 if elf.elf_class == CLASS64 else 4
            desc = position + NHDR.size + name
            owner = elf.data[position + NHDR.size : position + NHDR.size + min(namesz, 255)]
            value = int.from_bytes(_mapped(elf.data, desc, width), "little")
            return value, RawNote(position, owner, kind, desc, descsz)
        step = (NHDR.size + name + _up(descsz, segment.align, modulus)) % modulus
        # QEMU compares only the size of this note with the size of the segment, not the position of the scan.
        if step > segment.filesz:
            return None
        position = _skip_zeros(elf.data, position) if namesz == descsz == kind == 0 else position + step
    raise _DeadEnd(ENDLESS)


def _mapped(data: Buffer, offset: int, size: int) -> bytes:
    """Return what QEMU reads from its mapping of the file: after the end of the file the last page holds zeros."""
    if offset + size > _up(len(data), _PAGE):
        raise _DeadEnd(BEYOND_FILE)
    return data[offset : offset + size].ljust(size, b"\0")


def _skip_zeros(data: Buffer, position: int) -> int:
    """Return where the scan stands after it has stepped over zeros, 12 bytes at a time, as over empty notes."""
    match = _NONZERO.search(data, position)
    end = match.start() if match else _up(len(data), _PAGE)
    return position + max((end - position) // NHDR.size, 1) * NHDR.size


def scan_by_linux_loader(elf: Elf) -> Scan:
    """Scan as linux-loader does (Cloud Hypervisor, Firecracker): the last PT_NOTE segment decides, even without a note.

    linux-loader refuses the file at the first PT_LOAD segment that is not aligned to 2 MiB.
    """
    if elf.elf_class != CLASS64:
        return Scan("linux-loader", None, NOT_ELF64)
    scan = Scan("linux-loader", None, NO_SEGMENT)
    steps = iter(range(_MAX_STEPS))
    for segment in elf.segments:
        if segment.type == PT_LOAD and segment.filesz and segment.align % 0x200000:
            return Scan("linux-loader", None, LOAD_ALIGN)
        if segment.type == PT_NOTE:
            scan = _linux_loader_segment(elf, segment, steps)
            if scan.reason not in ("", NO_NOTE):
                return scan
    return scan


def _linux_loader_segment(elf: Elf, segment: ProgramHeader, steps: Iterator[int]) -> Scan:
    if segment.offset + segment.filesz > len(elf.data):
        return Scan("linux-loader", None, OUTSIDE_FILE)
    # It checks only where a note begins, so the last note may extend past the end of the segment.
    for _, note in zip(steps, walk(elf.data, segment.offset, len(elf.data)), strict=False):
        if note.offset >= segment.offset + segment.filesz:
            break
        if note.type == PHYS32_ENTRY and note.owner == XEN:
            if note.descsz < 4:
                return Scan("linux-loader", None, BAD_SIZE, note)
            return Scan("linux-loader", _number(elf.data, note.desc_offset, 4), "", note)
    return Scan("linux-loader", None, NO_NOTE)


def _note_segments(elf: Elf) -> list[ProgramHeader]:
    return [segment for segment in elf.segments if segment.type == PT_NOTE]


def _last_entry(notes: Iterable[RawNote]) -> RawNote | None:
    entries = [note for note in notes if note.type == PHYS32_ENTRY and note.owner == XEN]
    return entries[-1] if entries else None


def _number(data: Buffer, offset: int, size: int) -> int:
    return int.from_bytes(data[offset : offset + size], "little")


def _up(value: int, align: int, modulus: int = 1 << 64) -> int:
    """Round up to a multiple of `align`, wrapping at `modulus` as QEMU's unsigned integers do."""
    return (value + align - 1) % modulus // align * align % modulus
