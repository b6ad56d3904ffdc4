"""Bytes of a kernel file that identify the kernel in guest memory: its build-id, or constants and its entry code."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pvhdbg.image import notes
from pvhdbg.image.header import PT_LOAD, Elf, ProgramHeader
from pvhdbg.named_tuple import NamedTuple

NT_GNU_BUILD_ID = 3
BUILD_ID = "build-id"
"""The name of the fingerprint that alone identifies a kernel."""
PF_W = 2

_CONSTANT_SIZE = 64
_ENTRY_CODE_SIZE = 16
_MAX_ID_SIZE, _MAX_COUNT = 4096, 8
"""The limits for the size of a build-id note, and for the number of build-id notes and constants. A hostile file can
have any number, and each of them must be compared with guest memory.
"""


class Fingerprint(NamedTuple):
    """Bytes from the file that are loaded at a physical address. `name` is a name for them.

    `is_constant` is False for code that the kernel may overwrite after the entry.
    """

    paddr: int
    data: bytes
    name: str
    is_constant: bool = True


def fingerprints(elf: Elf, entry: int | None) -> tuple[Fingerprint, ...]:
    """Return the build-id if it is loaded, otherwise the start of each read-only segment and the code at the entry."""
    build_id = next(_build_ids(elf), None)
    if build_id is not None:
        return (build_id,)
    return tuple(_distinctive(_constants(elf), _MAX_COUNT) + _distinctive(_entry_code(elf, entry), 1))


def _distinctive(candidates: Iterator[Fingerprint], limit: int) -> list[Fingerprint]:
    """Return up to `limit` candidates that are not all zeros: zeros are in the memory of every guest."""
    return list(islice((candidate for candidate in candidates if any(candidate.data)), limit))


def is_build_id(note: notes.RawNote) -> bool:
    return note.owner == b"GNU\0" and note.type == NT_GNU_BUILD_ID


def _build_ids(elf: Elf) -> Iterator[Fingerprint]:
    for note in islice(filter(is_build_id, notes.segment_notes(elf)), _MAX_COUNT):
        size = note.desc_offset + note.descsz - note.offset
        for segment in _load_segments(elf):
            if segment.offset <= note.offset and note.offset + size <= segment.offset + segment.filesz:
                paddr = segment.paddr + note.offset - segment.offset
                yield Fingerprint(paddr, _bytes(elf, note.offset, min(size, _MAX_ID_SIZE)), BUILD_ID)


def _constants(elf: Elf) -> Iterator[Fingerprint]:
    for segment in _load_segments(elf):
        if not segment.flags & PF_W:
            data = _bytes(elf, segment.offset, min(segment.filesz, _CONSTANT_SIZE))
            yield Fingerprint(segment.paddr, data, "read-only part")


def _entry_code(elf: Elf, entry: int | None) -> Iterator[Fingerprint]:
    for segment in _load_segments(elf):
        if entry is not None and segment.paddr <= entry < segment.paddr + segment.filesz:
            rest = segment.paddr + segment.filesz - entry
            code = _bytes(elf, segment.offset + entry - segment.paddr, min(rest, _ENTRY_CODE_SIZE))
            yield Fingerprint(entry, code, "code at the entry", is_constant=False)


def _load_segments(elf: Elf) -> list[ProgramHeader]:
    return [segment for segment in elf.segments if segment.type == PT_LOAD]


def _bytes(elf: Elf, offset: int, size: int) -> bytes:
    return elf.data[offset : offset + size]
