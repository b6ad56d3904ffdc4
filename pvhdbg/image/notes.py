"""ELF notes as each loader really walks them: the entry address it would take, or why it takes none.

Sources: Xen xen/common/libelf/libelf-dominfo.c; QEMU include/hw/elf_ops.h and hw/i386/x86.c (5.0 to 10.2);
rust-vmm/linux-loader src/loader/elf/mod.rs, which Cloud Hypervisor and Firecracker use. Pure: bytes in, values out.
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
    NO_SEGMENT: "there is no PT_NOTE segment",
    NO_NOTE: "no note is taken for PHYS32_ENTRY",
    ZERO: "the entry address is 0",
    TOO_BIG: "the entry address does not fit 32 bits",
    BAD_SIZE: "the note's descriptor has the wrong size",
    ALIGN_ZERO: "it divides by p_align, which is 0, and dies",
    OUTSIDE_FILE: "the segment reaches beyond the end of the file",
    BEYOND_FILE: "its scan leaves the notes, and then the file",
    ENDLESS: "its scan leaves the notes and finds no end",
    NOT_ELF64: "it loads 64-bit ELF files only",
    LOAD_ALIGN: "it wants each PT_LOAD segment's p_align to be a multiple of 2 MiB",
}

_MOST_NOTES = 4096
# QEMU's scan can leave the notes and read whatever follows, and segments can share notes; no file that boots needs
# nearly as many steps.
_MOST_STEPS = 1 << 16
_PAGE = 4096
_NONZERO = re.compile(rb"[^\0]")


class RawNote(NamedTuple):
    """A note where it lies in the file: `offset` of its header and of its descriptor; `owner` with its NUL."""

    offset: int
    owner: bytes
    type: int
    desc_offset: int
    descsz: int


class Scan(NamedTuple):
    """What one loader makes of a file: the entry address it takes, or none and a key of REASONS.

    QEMU's may have both: the address, and then it reads on beyond the end of the file, where anything may be.
    """

    loader: str
    entry: int | None
    reason: str = ""
    note: RawNote | None = None


def scans(elf: Elf) -> tuple[Scan, ...]:
    """Every loader's view of one file."""
    return abi(elf), qemu(elf), xen(elf), linux_loader(elf)


def walk(data: Buffer, start: int, end: int) -> Iterator[RawNote]:
    """The notes in a range of a file, name and descriptor padded to 4, up to the first that does not fit into it."""
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
    """The notes of every PT_NOTE segment, 4096 at most."""
    return _walk_all(elf, ((each.offset, each.filesz) for each in _note_segments(elf)))


def section_notes(elf: Elf) -> list[RawNote]:
    """The notes of every SHT_NOTE section, which no loader but Xen's looks at, 4096 at most."""
    return _walk_all(elf, ((each.offset, each.size) for each in elf.sections if each.type == SHT_NOTE))


def _walk_all(elf: Elf, ranges: Iterable[tuple[int, int]]) -> list[RawNote]:
    walks = (walk(elf.data, start, start + size) for start, size in ranges)
    return list(islice(chain.from_iterable(walks), _MOST_NOTES))


def abi(elf: Elf) -> Scan:
    """The ABI to the letter: a PT_NOTE segment, owner "Xen", a descriptor of 4 or 8 bytes with a 32-bit address."""
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


def xen(elf: Elf) -> Scan:
    """Xen's domain builders: the last note wins; where the segments have none of Xen's, the sections are asked."""
    owned = [note for note in segment_notes(elf) if note.owner == XEN]
    note = _last_entry(owned or section_notes(elf))
    if note is None:
        return Scan("Xen", None, NO_NOTE)
    if note.descsz not in (1, 2, 4, 8):
        return Scan("Xen", None, BAD_SIZE, note)
    return Scan("Xen", _number(elf.data, note.desc_offset, note.descsz) & 0xFFFFFFFF, "", note)


def qemu(elf: Elf) -> Scan:
    """QEMU's `-kernel`: type 18 of any owner, padding by p_align, the last segment with a hit wins.

    A 64-bit file's descriptor is read as 8 bytes whatever its size, and cut to 32 bits after the test for 0.
    """
    found: tuple[int, RawNote] | None = None
    reason = ""
    steps = iter(range(_MOST_STEPS))
    try:
        for segment in _note_segments(elf):
            found = _qemu_segment(elf, segment, steps) or found
    except _DeadEnd as end:
        if found is None or end.reason != BEYOND_FILE:
            return Scan("QEMU", None, end.reason)
        reason = end.reason
    if found is None:
        return Scan("QEMU", None, NO_NOTE if _note_segments(elf) else NO_SEGMENT)
    value, note = found
    return Scan("QEMU", value & 0xFFFFFFFF, reason, note) if value else Scan("QEMU", None, ZERO, note)


class _DeadEnd(Exception):
    """The scan does not come to the end of the notes."""

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
        # QEMU's only bound: this one note against the whole segment, wherever in it or behind it the scan is.
        if step > segment.filesz:
            return None
        position = _skip_zeros(elf.data, position) if namesz == descsz == kind == 0 else position + step
    raise _DeadEnd(ENDLESS)


def _mapped(data: Buffer, offset: int, size: int) -> bytes:
    """What QEMU reads from its mapping of the file: zeros from the file's end to its last page's."""
    if offset + size > _up(len(data), _PAGE):
        raise _DeadEnd(BEYOND_FILE)
    return data[offset : offset + size].ljust(size, b"\0")


def _skip_zeros(data: Buffer, position: int) -> int:
    """Where the steps of 12 bytes that empty notes are worth have come to when something follows."""
    match = _NONZERO.search(data, position)
    end = match.start() if match else _up(len(data), _PAGE)
    return position + max((end - position) // NHDR.size, 1) * NHDR.size


def linux_loader(elf: Elf) -> Scan:
    """linux-loader, so Cloud Hypervisor and Firecracker: the last PT_NOTE segment decides, found or not.

    It ends at the first PT_LOAD segment that is not aligned to 2 MiB.
    """
    if elf.elf_class != CLASS64:
        return Scan("linux-loader", None, NOT_ELF64)
    scan = Scan("linux-loader", None, NO_SEGMENT)
    steps = iter(range(_MOST_STEPS))
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
    # Its bound is on where a note begins, so the last one may reach beyond the segment.
    for _, note in zip(steps, walk(elf.data, segment.offset, len(elf.data)), strict=False):
        if note.offset >= segment.offset + segment.filesz:
            break
        if note.type == PHYS32_ENTRY and note.owner == XEN:
            if note.descsz < 4:
                return Scan("linux-loader", None, BAD_SIZE, note)
            return Scan("linux-loader", _number(elf.data, note.desc_offset, 4), "", note)
    return Scan("linux-loader", None, NO_NOTE)


def _note_segments(elf: Elf) -> list[ProgramHeader]:
    return [each for each in elf.segments if each.type == PT_NOTE]


def _last_entry(found: Iterable[RawNote]) -> RawNote | None:
    entries = [note for note in found if note.type == PHYS32_ENTRY and note.owner == XEN]
    return entries[-1] if entries else None


def _number(data: Buffer, offset: int, size: int) -> int:
    return int.from_bytes(data[offset : offset + size], "little")


def _up(value: int, align: int, modulus: int = 1 << 64) -> int:
    """Round up as QEMU's unsigned integers do: they wrap."""
    return (value + align - 1) % modulus // align * align % modulus
