"""How the VMMs that have a loader of their own search for the PVH note.

Sources: google/alioth alioth/src/loader/xen/xen.rs; bobuhiro11/gokvm pvh/pvhboot.go and machine/machine.go;
microsoft/openvmm vm/loader/src/pvh.rs. The other searches are in pvhdbg.image.notes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pvhdbg.abi.alignment import align_up
from pvhdbg.image import notes
from pvhdbg.image.facts import EM_X86_64
from pvhdbg.image.file import number_at
from pvhdbg.image.header import CLASS64, PT_NOTE, SHT_NOTE
from pvhdbg.image.notes import NHDR, PHYS32_ENTRY, XEN, RawNote, Scan
from pvhdbg.vmm_profiles import profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pvhdbg.image.header import Elf

_MOST_STEPS = 1 << 14
_LARGEST_NOTES = 1 << 20
_MAX_U32 = 0xFFFFFFFF


class _Refused(Exception):
    """The loader refuses the file; `reason` is a key of notes.REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def scan_by_alioth(elf: Elf) -> Scan:
    """Scan as Alioth does: type 18, any owner, padding to p_align; the first note wins. Without one, sections count."""
    if elf.elf_class != CLASS64:
        return Scan(profile.ALIOTH, None, notes.NOT_ELF64)
    segments = [(it.offset, it.filesz, it.align) for it in elf.segments if it.type == PT_NOTE]
    sections = [(it.offset, it.size, it.addralign) for it in elf.sections if it.type == SHT_NOTE]
    steps = iter(range(_MOST_STEPS))
    try:
        found = (_first_of_alioth(elf, steps, *row) for row in dict.fromkeys((*segments, *sections)))
        note = next(filter(None, found), None)
    except _Refused as error:
        return Scan(profile.ALIOTH, None, error.reason)
    if note is None:
        return Scan(profile.ALIOTH, None, notes.NO_NOTE if segments or sections else notes.NO_SEGMENT)
    entry = number_at(elf.data, note.desc_offset, note.descsz)
    return Scan(profile.ALIOTH, None if entry > _MAX_U32 else entry, notes.TOO_BIG if entry > _MAX_U32 else "", note)


def _first_of_alioth(elf: Elf, steps: Iterator[int], start: int, size: int, align: int) -> RawNote | None:
    if align.bit_count() > 1:
        raise _Refused(notes.ODD_ALIGN)
    pad, position = max(align, 1), start
    for _ in steps:
        if position >= start + size:
            return None
        note = _note(elf, position, pad)
        if note.type == PHYS32_ENTRY and note.descsz in (4, 8):
            if note.desc_offset + note.descsz > len(elf.data):
                raise _Refused(notes.NOTE_OUTSIDE)
            return note
        position = note.desc_offset + align_up(note.descsz, pad)
    raise _Refused(notes.ENDLESS)


def _note(elf: Elf, position: int, pad: int, *, mask: int = _MAX_U32) -> RawNote:
    """Return the note at an offset. Its name is padded; `mask` has the bits of its sizes that the loader reads."""
    header = elf.data[position : position + NHDR.size]
    if len(header) < NHDR.size:
        raise _Refused(notes.NOTE_OUTSIDE)
    namesz, descsz, kind = NHDR.unpack(header)
    namesz, descsz = namesz & mask, descsz & mask
    owner = elf.data[position + NHDR.size : position + NHDR.size + min(namesz, 255)]
    return RawNote(position, owner, kind, position + NHDR.size + align_up(namesz, pad), descsz)


def scan_by_gokvm(elf: Elf) -> Scan:
    """Scan as gokvm does: the last PT_NOTE segment counts; if it has no note although another has one, the entry is 0.

    gokvm looks for a note in all segments before that, as if they had notes. pvhdbg looks only in PT_NOTE segments.
    """
    segments = [segment for segment in elf.segments if segment.type == PT_NOTE]
    steps = iter(range(_MOST_STEPS))
    try:
        found = [_first_of_gokvm(elf, steps, it.offset, it.filesz) for it in segments]
    except _Refused as error:
        return Scan(profile.GOKVM, None, error.reason)
    if not any(found):
        return Scan(profile.GOKVM, None, notes.NO_NOTE if segments else notes.NO_SEGMENT)
    if not all(segment.filesz for segment in segments):
        return Scan(profile.GOKVM, None, notes.EMPTY_SEGMENT)
    note = found[-1]
    if note is None:
        return Scan(profile.GOKVM, None, notes.LAST_WITHOUT)
    return Scan(profile.GOKVM, number_at(elf.data, note.desc_offset, 4), "", note)


def _first_of_gokvm(elf: Elf, steps: Iterator[int], start: int, size: int) -> RawNote | None:
    """Return the first PHYS32_ENTRY note of a segment. gokvm reads only three bytes of each size."""
    position = start
    for _ in steps:
        if position >= start + size:
            return None
        note = _note(elf, position, 4, mask=0xFFFFFF)
        if note.type == PHYS32_ENTRY and note.owner == XEN:
            if note.desc_offset + 4 > len(elf.data):
                raise _Refused(notes.NOTE_OUTSIDE)
            return note
        position = note.desc_offset + align_up(note.descsz, 4)
    raise _Refused(notes.ENDLESS)


def scan_by_openvmm(elf: Elf) -> Scan:
    """Scan as OpenVMM does: owner "Xen", padding to 4, every note within its segment, and exactly one PHYS32_ENTRY."""
    if elf.elf_class != CLASS64 or elf.machine != EM_X86_64:
        return Scan(profile.OPENVMM, None, notes.NOT_ELF64 if elf.elf_class != CLASS64 else notes.NOT_X86_64)
    segments = [(it.offset, it.filesz) for it in elf.segments if it.type == PT_NOTE]
    if any(size > _LARGEST_NOTES for _, size in segments):
        return Scan(profile.OPENVMM, None, notes.TOO_LARGE)
    steps = iter(range(_MOST_STEPS))
    try:
        found = [note for row in segments for note in _all_of_openvmm(elf, steps, *row)]
    except _Refused as error:
        return Scan(profile.OPENVMM, None, error.reason)
    if len(found) != 1:
        none = notes.NO_NOTE if segments else notes.NO_SEGMENT
        return Scan(profile.OPENVMM, None, notes.DUPLICATE if found else none)
    entry = number_at(elf.data, found[0].desc_offset, found[0].descsz)
    return Scan(
        profile.OPENVMM, None if entry > _MAX_U32 else entry, notes.TOO_BIG if entry > _MAX_U32 else "", found[0]
    )


def _all_of_openvmm(elf: Elf, steps: Iterator[int], start: int, size: int) -> Iterator[RawNote]:
    position, end = start, start + size
    for _ in steps:
        if position >= end:
            return
        if position + NHDR.size > end:
            raise _Refused(notes.MALFORMED)
        note = _note(elf, position, 4)
        if note.desc_offset + note.descsz > end:
            raise _Refused(notes.MALFORMED)
        if note.type == PHYS32_ENTRY and note.owner == XEN:
            if note.descsz not in (4, 8):
                raise _Refused(notes.BAD_SIZE)
            yield note
        position = note.desc_offset + align_up(note.descsz, 4)
    raise _Refused(notes.ENDLESS)


SEARCHES: dict[str, Callable[[Elf], Scan]] = {
    profile.QEMU: notes.scan_by_qemu,
    profile.XEN: notes.scan_by_xen,
    profile.LINUX_LOADER: partial(notes.scan_by_linux_loader, lowest_entry=0),
    profile.ALIOTH: scan_by_alioth,
    profile.GOKVM: scan_by_gokvm,
    profile.OPENVMM: scan_by_openvmm,
}
