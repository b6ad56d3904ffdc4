"""What guest memory holds when this very kernel was loaded into it: bytes of the file that tell it from others."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from pvhdbg.image import notes
from pvhdbg.image.header import PT_LOAD, Elf, ProgramHeader

NT_GNU_BUILD_ID = 3
PF_W = 2

_CODE = 64
_AT_ENTRY = 16
_LONGEST_ID, _MOST = 4096, 8
"""Bytes of a build-id's note; such notes, and read-only parts. A hostile file has any number of them, and each is to be
read from the guest.
"""


class Mark(NamedTuple):
    """Bytes that the file puts at a physical address, and what they are. `lasts` if nobody overwrites them later."""

    paddr: int
    data: bytes
    what: str
    lasts: bool = True


def marks(elf: Elf, entry: int | None) -> tuple[Mark, ...]:
    """The build-id where it is loaded; else what nobody writes to, and the code at the entry."""
    by_id = next(_build_ids(elf), None)
    if by_id is not None:
        return (by_id,)
    return tuple(_telling(_constants(elf), _MOST) + _telling(_entry_code(elf, entry), 1))


def _telling(found: Iterator[Mark], most: int) -> list[Mark]:
    """Not zeros: these are anywhere."""
    return list(islice((each for each in found if any(each.data)), most))


def is_build_id(note: notes.RawNote) -> bool:
    return note.owner == b"GNU\0" and note.type == NT_GNU_BUILD_ID


def _build_ids(elf: Elf) -> Iterator[Mark]:
    for note in islice(filter(is_build_id, notes.segment_notes(elf)), _MOST):
        size = note.desc_offset + note.descsz - note.offset
        for each in _loaded(elf):
            if each.offset <= note.offset and note.offset + size <= each.offset + each.filesz:
                paddr = each.paddr + note.offset - each.offset
                yield Mark(paddr, _bytes(elf, note.offset, min(size, _LONGEST_ID)), "build-id")


def _constants(elf: Elf) -> Iterator[Mark]:
    for each in _loaded(elf):
        if not each.flags & PF_W:
            yield Mark(each.paddr, _bytes(elf, each.offset, min(each.filesz, _CODE)), "read-only part")


def _entry_code(elf: Elf, entry: int | None) -> Iterator[Mark]:
    for each in _loaded(elf):
        if entry is not None and each.paddr <= entry < each.paddr + each.filesz:
            rest = each.paddr + each.filesz - entry
            code = _bytes(elf, each.offset + entry - each.paddr, min(rest, _AT_ENTRY))
            yield Mark(entry, code, "code at the entry", lasts=False)


def _loaded(elf: Elf) -> list[ProgramHeader]:
    return [each for each in elf.segments if each.type == PT_LOAD]


def _bytes(elf: Elf, offset: int, size: int) -> bytes:
    return elf.data[offset : offset + size]
