"""What a kernel file promises, as plain values. Standard library only: this runs inside gdb too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.image import notes
from pvhdbg.image.header import (
    PT_LOAD,
    PT_NOTE,
    SHT_NOBITS,
    Buffer,
    Elf,
    ProgramHeader,
    map_file,
    occurrences,
    read_elf,
    truncated,
)
from pvhdbg.image.marks import Mark, is_build_id, marks

if TYPE_CHECKING:
    from pvhdbg.image.verdict import Verdict

EM_386, EM_X86_64 = 3, 62

_BANNER = b"Linux version "
_RELEASE = re.compile(rb"Linux version (\d[!-~]{0,127}) \(")
# Where the compiler puts linux_banner; without section names the load segments are searched.
_RODATA_SEARCHED = 8 << 20
_SEARCHED = 64 << 20
_BANNERS_TRIED = 64
_LONGEST_DESC, _DESCS = 1 << 16, 1 << 20
"""Bytes of a note's descriptor, and of all together, that are kept."""


class Segment(NamedTuple):
    """A PT_LOAD segment: addresses and sizes in bytes as in its program header."""

    paddr: int
    vaddr: int
    filesz: int
    memsz: int
    offset: int = 0

    @property
    def end(self) -> int:
        return self.paddr + self.memsz


class Note(NamedTuple):
    """An ELF note: owner without its NUL, type, and the descriptor's bytes, 64 KiB of them at most."""

    owner: str
    type: int
    desc: bytes


class ImageFacts(NamedTuple):
    """A kernel image. `entry` is the PHYS32_ENTRY address (Xen note 18), `release` the kernel's own version string.

    `kind` is vmlinux for a Linux ELF, bzimage for one that was unpacked, elf for any other PVH guest.
    `elf` is the ELF file itself: `path`, or what a bzImage was unpacked to. `verdicts` are preflight's.
    `marks` are bytes of the file by which a machine that it was loaded into is known.
    """

    path: str
    elf: str
    kind: str
    elf_class: int
    machine: int
    entry: int | None
    build_id: str | None
    release: str | None
    segments: tuple[Segment, ...]
    notes: tuple[Note, ...]
    verdicts: tuple[Verdict, ...] = ()
    marks: tuple[Mark, ...] = ()

    def physical(self, vaddr: int) -> int | None:
        """The physical address that a link address was loaded to, or null outside every segment."""
        for each in self.segments:
            if each.vaddr <= vaddr < each.vaddr + each.memsz:
                return vaddr - each.vaddr + each.paddr
        return None

    def linked(self, paddr: int) -> int | None:
        """The link address of what was loaded to a physical address, or null outside every segment."""
        for each in self.segments:
            if each.paddr <= paddr < each.end:
                return paddr - each.paddr + each.vaddr
        return None

    def aliases(self, vaddr: int) -> tuple[int, ...]:
        """Every address at which code linked at `vaddr` may run: the link address, and the physical one."""
        paddr = self.physical(vaddr)
        return (vaddr,) if paddr is None or paddr == vaddr else (vaddr, paddr)


def read_facts(path: str, *, elf: str | None = None, kind: str | None = None) -> ImageFacts:
    """The facts of an ELF file. `elf` is the file that is read where that is not `path`; `kind` is found out if null.

    :raise UserError: if the file can't be read, is no ELF file, or is cut off.
    :raise GuestError: if it is for a big-endian machine.
    """
    with closing(map_file(elf or path)) as data:
        return facts_of(data, path, elf=elf, kind=kind)


def facts_of(data: Buffer, path: str, *, elf: str | None = None, kind: str | None = None) -> ImageFacts:
    """`read_facts` of bytes that are there already."""
    image = read_elf(data, path)
    _check_whole(image, path)
    found = notes.segment_notes(image)
    release = _release(image)
    entry = notes.abi(image).entry
    return ImageFacts(
        path=path,
        elf=elf or path,
        kind=kind or ("vmlinux" if release or any(note.owner == b"Linux\0" for note in found) else "elf"),
        elf_class=32 * image.elf_class,
        machine=image.machine,
        entry=entry,
        build_id=build_id(image),
        release=release,
        segments=tuple(_segment(each) for each in image.segments if each.type == PT_LOAD),
        notes=tuple(_notes(data, found)),
        marks=marks(image, entry),
    )


def build_id(image: Elf) -> str | None:
    """GNU build-id in hex, from a PT_NOTE segment or, as in a file of symbols alone, a SHT_NOTE section."""
    for note in (*notes.segment_notes(image), *notes.section_notes(image)):
        if is_build_id(note):
            return _note(image.data, note).desc.hex()
    return None


def _check_whole(image: Elf, path: str) -> None:
    for number, each in enumerate(image.segments):
        if each.type in (PT_LOAD, PT_NOTE) and each.offset + each.filesz > len(image.data):
            raise truncated(path, f"the contents of segment {number}", each.offset + each.filesz, len(image.data))


def _segment(each: ProgramHeader) -> Segment:
    return Segment(each.paddr, each.vaddr, each.filesz, each.memsz, each.offset)


def _notes(data: Buffer, found: Iterable[notes.RawNote]) -> Iterator[Note]:
    """Notes may share their bytes, so that a small file has many long ones."""
    room = _DESCS
    for each in found:
        note = _note(data, each, min(room, _LONGEST_DESC))
        room -= len(note.desc)
        yield note


def _note(data: Buffer, note: notes.RawNote, most: int = _LONGEST_DESC) -> Note:
    desc = data[note.desc_offset : note.desc_offset + min(note.descsz, most)]
    return Note(note.owner.partition(b"\0")[0].decode("latin-1"), note.type, desc)


def _release(image: Elf) -> str | None:
    """The version in linux_banner, which Linux has had among its read-only data since 2.6."""
    for start, end in constants_ranges(image):
        for position in islice(occurrences(image.data, _BANNER, start, end), _BANNERS_TRIED):
            match = _RELEASE.match(image.data, position)
            if match:
                return match[1].decode("ascii")
    return None


def constants_ranges(image: Elf) -> Iterator[tuple[int, int]]:
    """Where in the file Linux's read-only data may be: offsets of start and end, the likely place first."""
    rodata = image.section(b".rodata")
    if rodata and rodata.type != SHT_NOBITS:
        yield rodata.offset, rodata.offset + min(rodata.size, _RODATA_SEARCHED)
    left = _SEARCHED
    for each in image.segments:
        if each.type == PT_LOAD and left > 0:
            yield each.offset, each.offset + min(each.filesz, left)
            left -= each.filesz
