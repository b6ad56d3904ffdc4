"""ELF notes: sizes, owners, types and padding of any kind, in segments that overlap, begin anywhere and end anywhere.

The notes that pvhdbg finds are compared with pyelftools' where both can read them.
"""

from __future__ import annotations

import struct
from io import BytesIO

from elftools.elf.elffile import ELFFile
from elftools.elf.segments import NoteSegment
from hypothesis import strategies as st

from pvhdbg.abi import notes as note_texts
from pvhdbg.image import notes
from pvhdbg.image.facts import parse_facts
from pvhdbg.image.header import read_elf
from pvhdbg.image.preflight import preflight
from tests.fuzz.elf import outcome
from tests.fuzz.numbers import numbers
from tests.fuzz.target import Target
from tests.image import builder
from tests.image.builder import PT_NOTE, Section, Segment

OWNERS = (b"Xen\0", b"Xen\0", b"GNU\0", b"Linux\0", b"", b"X\0", b"Xen\0\0\0\0\0", b"\x1b[31m\0", b"Xe")
_owners = st.sampled_from(OWNERS)
Note = tuple[bytes, int, bytes, int, int]
"""Owner, type, descriptor, and what is added to namesz and to descsz: not 0 in a note that lies about its size."""


def _note() -> st.SearchStrategy[Note]:
    kinds = st.sampled_from([18, 18, 18, 1, 3, 6, 13, 17, 19, 0x1000001]) | numbers(32)
    descriptors = st.sampled_from([4, 8]).flatmap(
        lambda size: numbers(32).map(lambda value: value.to_bytes(size, "little"))
    )
    sizes = st.sampled_from([0, 0, 0, 1, -1, 4, -4, 12]) | numbers(32)
    lies = st.just((0, 0)) | st.just((0, 0)) | st.tuples(sizes, sizes)
    descs = descriptors | st.binary(max_size=24)
    return st.builds(lambda owner, kind, desc, lie: (owner, kind, desc, *lie), _owners, kinds, descs, lies)


Part = tuple[int, int, int]
"""A PT_NOTE segment: its offset into the notes, its size, its p_align."""
Input = tuple[int, int, list[Note], list[Part], bytes]
"""Bits, padding, notes, segments, and what follows the notes."""


def inputs() -> st.SearchStrategy[Input]:
    small = st.integers(0, 8).map(lambda number: 4 * number) | st.integers(0, 200)
    aligns = st.sampled_from([4] * 6 + [0, 1, 2, 8, 16]) | numbers(32)
    part = st.tuples(st.sampled_from([0, 0, 0]) | small, small | st.just(1 << 10) | numbers(31), aligns)
    rest = st.sampled_from([b"", bytes(40), b"\x3f" * 64, bytes(5000)]) | st.binary(max_size=20)
    notes_ = st.lists(_note(), max_size=4)
    return st.tuples(
        st.sampled_from([64, 64, 32]), st.sampled_from([4, 4, 4, 8]), notes_, st.lists(part, max_size=4), rest
    )


def file(value: Input) -> bytes:
    bits, pad, rows, parts, rest = value
    body = b"".join(_bytes(row, pad) for row in rows) + rest
    load = builder.load(builder.CODE.ljust(0x200, b"\x90"))
    # Each segment begins at a multiple of 16, and the notes follow the code.
    start = ((64 + 56 * (1 + len(parts))) if bits == 64 else (52 + 32 * (1 + len(parts)))) + 15 & ~15
    start += len(load.data)
    segments = [
        Segment(PT_NOTE, b"", align=align, offset=start + offset, filesz=min(size, max(len(body) - offset, 0)))
        for offset, size, align in parts
    ]
    return builder.elf([load, *segments], [Section(".notes", builder.SHT_NOTE, body)], bits=bits, tail=body)


def _bytes(row: Note, pad: int) -> bytes:
    owner, kind, desc, name_lie, desc_lie = row
    sizes = (len(owner) + name_lie & 0xFFFFFFFF, len(desc) + desc_lie & 0xFFFFFFFF)
    return struct.pack("<III", *sizes, kind) + builder.padded(owner, pad) + builder.padded(desc, pad)


def check(value: Input) -> str:
    data = file(value)
    result = outcome(lambda: _read(data))
    return "compared" if result == "read" and _matches_pyelftools(data) else result


def _read(data: bytes) -> None:
    elf = read_elf(data, "kernel")
    scans = notes.all_scans(elf)
    for scan in scans:
        assert scan.reason == "" or scan.reason in notes.REASONS
        assert scan.entry is None or 0 <= scan.entry < 1 << 32
        assert scan.entry is not None or scan.reason, scan
    facts = parse_facts(data, "kernel")
    for note in facts.notes:
        shown = note_texts.describe(note.owner, note.type, note.desc).replace("…", "")
        assert shown.isascii()
        assert shown.isprintable()
    assert facts.entry == scans[0].entry
    assert preflight(facts, data).entry == scans[1].entry


def _matches_pyelftools(data: bytes) -> bool:
    """Compare the notes of each segment. Return False if pyelftools can't read them."""
    compared = False
    for segment in ELFFile(BytesIO(data)).iter_segments():
        if isinstance(segment, NoteSegment):
            start, end = segment["p_offset"], segment["p_offset"] + segment["p_filesz"]
            theirs = _theirs(segment, end)
            # pyelftools leaves out a note without owner and descriptor at the very end.
            ours = [_row(data, note) for note in notes.walk(data, start, end) if note.offset + notes.NHDR.size < end]
            assert theirs is None or ours == theirs
            compared = compared or bool(theirs)
    return compared


Row = tuple[int, bytes]
"""A note's offset in the file, and its descriptor."""


def _theirs(segment: NoteSegment, end: int) -> list[Row] | None:
    rows: list[Row] = []
    try:
        for note in segment.iter_notes():
            desc = note["n_offset"] + notes.NHDR.size + (note["n_namesz"] + 3 & ~3)
            if desc + note["n_descsz"] > end:
                break
            rows.append((note["n_offset"], note["n_descdata"]))
    except Exception:  # noqa: BLE001 - it raises all kinds of exceptions for a damaged note
        return None
    return rows


def _row(data: bytes, note: notes.RawNote) -> Row:
    return note.offset, data[note.desc_offset : note.desc_offset + note.descsz]


TARGET = Target("notes", inputs(), check, frozenset({"read", "compared"}))
