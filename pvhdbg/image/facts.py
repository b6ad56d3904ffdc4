"""Read the facts about a kernel file as plain values: entry, segments, notes, build-id, release."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

from pvhdbg.errors import UserError
from pvhdbg.guest_profiles import linux, table
from pvhdbg.image import notes
from pvhdbg.image.file import Buffer, merged, occurrences, open_file, total
from pvhdbg.image.fingerprints import Fingerprint, fingerprints, is_build_id
from pvhdbg.image.header import (
    PT_LOAD,
    PT_NOTE,
    SHT_NOBITS,
    Elf,
    ProgramHeader,
    read_elf,
    truncation_error,
)
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container

    from pvhdbg.guest_profiles.profile import GuestProfile
    from pvhdbg.image.verdicts.verdict import Verdict

EM_386, EM_X86_64 = 3, 62
KERNEL_HALF = {32: 0xC0000000, 64: 1 << 63}
"""The lowest address of kernel space, by ELF class."""

_LINUX_OWNER = linux.NOTE_OWNER.encode() + b"\0"
_RELEASE = pattern(linux.BANNER + rb"(\d[!-~]{0,127}) \(")
# linux_banner is in .rodata. If the file has no section names, the PT_LOAD segments are searched.
_RODATA_SEARCHED = 8 << 20
SEARCHED = 64 << 20
_BANNERS_TRIED = 1024
_BANNER_SIZE = 256
MAX_DESC_SIZE, MAX_DESCS_SIZE = 1 << 16, 1 << 20
"""The limits in bytes for the descriptor of one note, and for all descriptors together."""


class Segment(NamedTuple):
    """A PT_LOAD segment: its physical address, its link address, its sizes in bytes, and its offset in the file."""

    paddr: int
    vaddr: int
    filesz: int
    memsz: int
    offset: int = 0

    @property
    def end(self) -> int:
        return self.paddr + self.memsz


class Note(NamedTuple):
    """An ELF note: its owner without the NUL, its type, and at most 64 KiB of its descriptor."""

    owner: str
    type: int
    desc: bytes


class ImageFacts(NamedTuple):
    """The facts about a kernel file.

    `path` is the path that the user passed. `elf` is the path of the ELF file: the same path, or the file to which a
    bzImage or a compressed file was unpacked. `kind` is vmlinux for a Linux ELF file, bzimage for a bzImage, elf for
    any other PVH guest. `elf_class` is 32 or 64, `machine` is e_machine. `entry` is the PHYS32_ENTRY address (note 18).
    `release` is the version in Linux's banner. `verdicts` are the results of the pre-start check. `fingerprints`
    identify the kernel in guest memory. `moved_by` is how far a relocated kernel runs from its link addresses; it is 0
    in the facts about a file. `guest` is the name of a guest profile; it is empty if it was not determined.
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
    fingerprints: tuple[Fingerprint, ...] = ()
    moved_by: int = 0
    guest: str = ""

    @property
    def profile(self) -> GuestProfile:
        """The profile of this guest; that of Linux if `guest` is empty."""
        return table.named(self.guest) or linux.LINUX

    @property
    def is_linux(self) -> bool:
        """Whether the file contains a Linux kernel."""
        return self.kind in ("vmlinux", "bzimage")

    @property
    def is_unpacked(self) -> bool:
        """Whether the ELF file was unpacked from the user's file, a bzImage or a compressed file."""
        return self.elf != self.path

    def to_paddr(self, vaddr: int) -> int | None:
        """Translate a link address to the physical address where it is loaded; None if it is in no segment."""
        for segment in self.segments:
            if segment.vaddr <= vaddr < segment.vaddr + segment.memsz:
                return vaddr - segment.vaddr + segment.paddr
        return None

    def to_vaddr(self, paddr: int) -> int | None:
        """Translate a physical address to the link address of the byte loaded there; None if it is in no segment."""
        for segment in self.segments:
            if segment.paddr <= paddr < segment.end:
                return paddr - segment.paddr + segment.vaddr
        return None

    def aliases(self, vaddr: int) -> tuple[int, ...]:
        """Return the addresses at which code linked at `vaddr` may run: the link address and the physical address."""
        paddr = self.to_paddr(vaddr)
        return (vaddr,) if paddr is None or paddr == vaddr else (vaddr, paddr)

    def relocated(self, physical: int, virtual: int) -> ImageFacts:
        """Return the facts of this kernel after it was moved by these numbers of bytes.

        Per-CPU data, which is linked at 0, moves only in physical memory.
        """
        half = KERNEL_HALF[self.elf_class]
        return self._replace(
            entry=None if self.entry is None else self.entry + physical,
            segments=tuple(
                segment._replace(
                    paddr=segment.paddr + physical,
                    vaddr=segment.vaddr + virtual if segment.vaddr >= half else segment.vaddr,
                )
                for segment in self.segments
            ),
            fingerprints=tuple(item._replace(paddr=item.paddr + physical) for item in self.fingerprints),
            moved_by=virtual,
        )


def read_facts(path: str, *, elf: str | None = None, kind: str | None = None) -> ImageFacts:
    """Read the facts of the ELF file `elf`, by default `path`. If `kind` is None, it is detected.

    :raise UserError: if the file can't be read, is not an ELF file, or is truncated.
    :raise GuestError: if the file is for a big-endian machine.
    """
    with closing(open_file(elf or path)) as data:
        return parse_facts(data, path, elf=elf, kind=kind)


def parse_facts(data: Buffer, path: str, *, elf: str | None = None, kind: str | None = None) -> ImageFacts:
    """Do the same as `read_facts`, for a file whose bytes are already in memory or mapped."""
    image = read_elf(data, path)
    _check_whole(image, path)
    raw_notes = notes.segment_notes(image)
    release = _release(image)
    entry = notes.scan_by_abi(image).entry
    return ImageFacts(
        path=path,
        elf=elf or path,
        kind=kind or ("vmlinux" if release or any(note.owner == _LINUX_OWNER for note in raw_notes) else "elf"),
        elf_class=32 * image.elf_class,
        machine=image.machine,
        entry=entry,
        build_id=build_id(image),
        release=release,
        segments=tuple(_segment(header) for header in image.segments if header.type == PT_LOAD),
        notes=tuple(_notes(data, raw_notes)),
        fingerprints=fingerprints(image, entry),
    )


def with_guest(facts: ImageFacts, symbols: Container[str]) -> ImageFacts:
    """Return the facts with the name of the profile that fits this file and its symbols."""
    guest = table.recognize(facts.notes, symbols, facts.elf_class, _search_of(facts))
    if facts.is_linux and not guest.boots_like_linux:
        guest = linux.LINUX_32 if facts.elf_class == 32 else linux.LINUX
    return facts._replace(guest=guest.name)


def _search_of(facts: ImageFacts) -> Callable[[bytes], bool]:
    """Return a function that returns whether a segment of a file that is not Linux contains a text.

    At most 64 MiB are searched.
    """

    @cache
    def ranges(size: int) -> list[tuple[int, int]]:
        return merged(((segment.offset, segment.offset + segment.filesz) for segment in facts.segments), size, SEARCHED)

    def loads(text: bytes) -> bool:
        with suppress(UserError), closing(open_file(facts.elf)) as data:
            found = (next(occurrences(data, text, start, end), None) for start, end in ranges(len(data)))
            return any(offset is not None for offset in found)
        return False

    return (lambda _text: False) if facts.is_linux else loads


def build_id(image: Elf) -> str | None:
    """Return the GNU build-id in hex, from a PT_NOTE segment or an SHT_NOTE section; None if there is none.

    In a file that has only debug information, the build-id is in a section.
    """
    for note in (*notes.segment_notes(image), *notes.section_notes(image)):
        if is_build_id(note):
            return _note(image.data, note).desc.hex()
    return None


def _check_whole(image: Elf, path: str) -> None:
    for number, segment in enumerate(image.segments):
        end = segment.offset + segment.filesz
        if segment.type in (PT_LOAD, PT_NOTE) and end > len(image.data):
            raise truncation_error(path, f"the contents of segment {number}", end, len(image.data))


def _segment(header: ProgramHeader) -> Segment:
    return Segment(header.paddr, header.vaddr, header.filesz, header.memsz, header.offset)


def _notes(data: Buffer, raw_notes: Iterable[notes.RawNote]) -> Iterator[Note]:
    """Yield the notes, truncated to the size limits: notes can share bytes, so a small file can have many long ones."""
    remaining = MAX_DESCS_SIZE
    for raw_note in raw_notes:
        note = _note(data, raw_note, min(remaining, MAX_DESC_SIZE))
        remaining -= len(note.desc)
        yield note


def _note(data: Buffer, note: notes.RawNote, limit: int = MAX_DESC_SIZE) -> Note:
    desc = data[note.desc_offset : note.desc_offset + min(note.descsz, limit)]
    return Note(note.owner.partition(b"\0")[0].decode("latin-1"), note.type, desc)


def _release(image: Elf) -> str | None:
    """Return the version in linux_banner, which is in the read-only data of Linux 2.6 and later."""
    for position in islice(in_rodata(image, linux.BANNER), _BANNERS_TRIED):
        match = _RELEASE.match(image.data[position : position + _BANNER_SIZE])
        if match:
            return match[1].decode("ascii")
    return None


def in_rodata(image: Elf, pattern: bytes) -> Iterator[int]:
    """Yield the offsets in the file at which `pattern` begins, in the parts that may be Linux's read-only data.

    The most likely part is searched first. At most 64 MiB of the PT_LOAD segments are searched.
    """
    rodata = image.section(b".rodata")
    if rodata and rodata.type != SHT_NOBITS:
        yield from occurrences(image.data, pattern, rodata.offset, rodata.offset + min(rodata.size, _RODATA_SEARCHED))
    for start, end in merged(_loaded_ranges(image), len(image.data), SEARCHED):
        yield from occurrences(image.data, pattern, start, end)


def searches_all(image: Elf) -> bool:
    """Return whether `in_rodata` searches every byte of the PT_LOAD segments."""
    ranges = _loaded_ranges(image)
    if total(ranges) <= SEARCHED:
        return True
    return total(merged(ranges, len(image.data), len(image.data))) <= SEARCHED


def _loaded_ranges(image: Elf) -> list[tuple[int, int]]:
    return [(header.offset, header.offset + header.filesz) for header in image.segments if header.type == PT_LOAD]
