import random
import re
import struct
import subprocess
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from pvhdbg.image import notes
from pvhdbg.image.file import open_file
from pvhdbg.image.header import Elf, read_elf
from pvhdbg.image.verdicts import unread_notes
from pvhdbg.image.verdicts.note_verdicts import _align_at
from tests.image import builder
from tests.image.builder import E_ENTRY, ENTRY, OTHER, Section, Segment, elf, load, note, raw_note
from tests.image.crafted import BUILD_ID, CRAFTED, WALL
from tests.image.real_qemu import entered, run_qemu

ELFCLASS64 = b"\2"

MIB2 = 0x200000
READELF_NOTE = re.compile(r"^  (\S+) +0x([0-9a-f]{8})\t.*?(?:description data: ([0-9a-f ]*))?$", re.MULTILINE)


def parsed(*segments: Segment, bits: int = 64, tail: bytes = b"") -> Elf:
    return read_elf(elf([load(align=MIB2), *segments], bits=bits, tail=tail), "kernel")


def result(scan: notes.Scan) -> int | str | None:
    """Return the entry address, or the reason why there is none."""
    return scan.reason or scan.entry


def random_file(random_: random.Random) -> bytes:
    segments = (random_notes(random_) for _ in range(random_.randrange(1, 4)))
    return elf([load(), *segments], bits=random_.choice([32, 64]))


def random_notes(random_: random.Random) -> Segment:
    pad, align = random_.choice([4, 4, 8]), random_.choice([1, 2, 4, 4, 8, 16])
    data = b"".join(random_note(random_, pad) for _ in range(random_.randrange(5)))
    return Segment(builder.PT_NOTE, data + WALL, align=align, filesz=len(data))


def random_note(random_: random.Random, pad: int) -> bytes:
    owner = random_.choice([b"Xen\0", b"Xen\0", b"GNU\0", b"", b"X\0", b"Atmosphere!\0"])
    size = random_.choice([0, 3, 4, 8, 20])
    desc = random_.choice([ENTRY, OTHER, E_ENTRY]).to_bytes(4, "little").ljust(size, b"\0")[:size]
    return raw_note(owner, random_.choice([18, 18, 1, 3, 7]), desc, pad)


@pytest.mark.parametrize("seed", range(40))
def test_qemu_enters_where_its_scan_of_random_notes_predicts(seed: int, tmp_path: Path) -> None:
    # Only code at these addresses reports that it ran. Past the end of the file, a scan may find any data.
    tries = (random_file(random.Random(f"{seed} {number}")) for number in count())
    scanned = ((data, notes.scan_by_qemu(read_elf(data, "kernel"))) for data in tries)
    usable = ((data, scan) for data, scan in scanned if scan.reason != notes.BEYOND_FILE)
    data, scan = next((data, scan) for data, scan in usable if scan.entry in (None, ENTRY, OTHER, E_ENTRY))
    path = tmp_path / "kernel"
    path.write_bytes(data)

    expected = "without PVH ELF Note" if scan.entry is None else entered(scan.entry)

    assert expected in run_qemu(path, "microvm")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("64 bit", ENTRY),
        ("32 bit", ENTRY),
        ("a descriptor of 8 bytes", ENTRY),
        ("after another note", ENTRY),
        ("owner Foo", notes.NO_NOTE),
        ("a decoy before", ENTRY),
        ("two segments with a note", OTHER),
        ("just past p_filesz", notes.NO_NOTE),
        ("p_align 8, padded to 4", ENTRY),
        ("p_align 8, padded to 8", notes.NO_NOTE),
        ("p_align 0", ENTRY),
        ("no PT_NOTE", notes.NO_SEGMENT),
        ("entry 0", notes.ZERO),
        ("entry above 4 GiB", notes.TOO_BIG),
        ("a descriptor of 12 bytes", notes.BAD_SIZE),
        ("only in a section", notes.NO_SEGMENT),
    ],
)
def test_the_abi_requires_a_segment_the_owner_xen_and_padding_to_4(name: str, expected: int | str) -> None:
    assert expected == result(notes.scan_by_abi(read_elf(CRAFTED[name].data, "kernel")))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("64 bit", ENTRY),
        ("owner Foo", notes.NO_NOTE),
        ("only in a section", ENTRY),
        ("entry above 4 GiB", ENTRY),
        ("a descriptor of 12 bytes", notes.BAD_SIZE),
        ("two segments with a note", OTHER),
    ],
)
def test_xen_reads_sections_if_no_segment_has_a_note_of_its_own(name: str, expected: int | str) -> None:
    assert expected == result(notes.scan_by_xen(read_elf(CRAFTED[name].data, "kernel")))


def test_the_alignment_of_notes_is_that_of_their_segment_and_not_of_a_load_segment_with_the_same_bytes() -> None:
    elf_ = parsed(builder.notes(note(), align=8))
    segment = next(segment for segment in elf_.segments if segment.type == builder.PT_NOTE)
    both = elf_._replace(segments=(segment._replace(type=1, align=MIB2), *elf_.segments))
    offsets = (segment.offset - 1, segment.offset, segment.offset + segment.filesz - 1, segment.offset + segment.filesz)

    assert [0, 8, 8, 0] == [_align_at(both, offset) for offset in offsets]


@pytest.mark.parametrize("size", range(10))
def test_each_loader_accepts_its_sizes_of_a_descriptor(size: int) -> None:
    elf_ = parsed(builder.notes(raw_note(b"Xen\0", 18, bytes([1] * size))))

    assert (size in (4, 8)) == (notes.scan_by_abi(elf_).reason != notes.BAD_SIZE)
    assert (size in (1, 2, 4, 8)) == (notes.scan_by_xen(elf_).reason != notes.BAD_SIZE)


def test_xen_compares_the_name_up_to_its_nul_whatever_its_size_says() -> None:
    entries = [
        notes.scan_by_xen(read_elf(elf([load(), builder.notes(note(owner=owner))]), "kernel")).entry
        for owner in (b"Xen", b"Xen\0", b"Xen\0\0\0\0\0", b"Xenon\0")
    ]

    assert [ENTRY, ENTRY, ENTRY, None] == entries


def test_xen_prefers_segments_to_sections() -> None:
    data = elf([load(), builder.notes(note())], [Section(".notes", builder.SHT_NOTE, note(OTHER))])

    assert ENTRY == notes.scan_by_xen(read_elf(data, "kernel")).entry


@pytest.mark.parametrize(
    ("elf_", "expected"),
    [
        (parsed(builder.notes(note())), ENTRY),
        (parsed(builder.notes(note(), align=8)), ENTRY),
        (parsed(builder.notes(note(), align=0)), ENTRY),
        (parsed(builder.notes(note(size=8))), ENTRY),
        (parsed(builder.notes(note(ENTRY + (1 << 32), size=8))), ENTRY),
        (parsed(builder.notes(BUILD_ID, note())), ENTRY),
        (parsed(builder.notes(note(owner=b"Foo\0"))), notes.NO_NOTE),
        (parsed(builder.notes(note(owner=b"Xen\0\0\0\0\0"))), notes.NO_NOTE),
        (parsed(builder.notes(note(), note(OTHER))), ENTRY),
        (parsed(builder.notes(note()), builder.notes(note(OTHER))), OTHER),
        (parsed(builder.notes(note()), builder.notes(BUILD_ID)), notes.NO_NOTE),
        (parsed(builder.notes(raw_note(b"Xen\0", 18, b"\1\2"))), notes.BAD_SIZE),
        (parsed(builder.notes(BUILD_ID, note(), filesz=36)), notes.NO_NOTE),
        (parsed(builder.notes(BUILD_ID, note(), filesz=37)), ENTRY),
        (parsed(builder.notes(note(), filesz=1 << 20)), notes.OUTSIDE_FILE),
        (parsed(), notes.NO_SEGMENT),
        (parsed(builder.notes(note()), bits=32), notes.NOT_ELF64),
        (parsed(load(align=0x1000), builder.notes(note())), ENTRY),
        (parsed(load(align=0), builder.notes(note())), ENTRY),
        (parsed(builder.notes(note()))._replace(entry=0x100000), ENTRY),
        (parsed(builder.notes(note()))._replace(entry=0xFFFFF), notes.LOW_ENTRY),
        (parsed(builder.notes(note()))._replace(entry=0), notes.LOW_ENTRY),
        (parsed(builder.notes(note()))._replace(phentsize=64), notes.BAD_HEADER),
        (parsed(builder.notes(note()))._replace(phoff=63), notes.BAD_HEADER),
        (parsed(builder.notes(b"\1\0\0\0")), notes.NOTE_OUTSIDE),
        (parsed(builder.notes(note()[:17])), notes.NOTE_OUTSIDE),
        (parsed(builder.notes(raw_note(b"Xen\0", 18, struct.pack("<II", ENTRY, 0))[:-4])), ENTRY),
        (parsed(builder.notes(raw_note(b"", 1, b"") * 70000)), notes.ENDLESS),
    ],
)
def test_linux_loader_pads_to_4_and_uses_the_last_segment(elf_: Elf, expected: int | str) -> None:
    assert expected == result(notes.scan_by_linux_loader(elf_))


@pytest.mark.timeout(30)
def test_the_scan_of_many_segments_that_share_their_notes_is_bounded() -> None:
    image = parsed(builder.notes(*[BUILD_ID] * 4000))
    shared = image._replace(segments=(image.segments[0], *[image.segments[1]] * 60000))

    assert [notes.NO_NOTE, notes.NO_NOTE] == [
        result(notes.scan_by_abi(shared)),
        result(notes.scan_by_linux_loader(shared)),
    ]


@pytest.mark.parametrize(
    ("elf_", "expected"),
    [
        # Only the zeros of the last page follow the notes: QEMU reads on, past the end of the file.
        (parsed(builder.notes(BUILD_ID)), notes.BEYOND_FILE),
        (parsed(builder.notes(note(), filesz=1 << 20)), notes.OUTSIDE_FILE),
        # Steps of 12 bytes: no note in the data is larger than the segment, so QEMU never stops.
        (parsed(builder.notes(raw_note(b"", 1, b"") * 70000, filesz=12)), notes.ENDLESS),
        # In 64 bits 2 * (2**63 - 6) + 12 is 0: QEMU never leaves this note.
        (parsed(builder.notes(raw_note(b"G\0\0\0", 1, b"abcd"), align=(1 << 63) - 6)), notes.ENDLESS),
        (parsed(builder.notes(raw_note(b"", 1, b""), bytes(12 * 100000), note(), filesz=12)), ENTRY),
    ],
)
def test_a_scan_by_qemu_that_leaves_its_segment_ends(elf_: Elf, expected: int | str) -> None:
    assert expected == result(notes.scan_by_qemu(elf_))


def test_a_scan_has_the_note_that_decided() -> None:
    scan = notes.scan_by_qemu(read_elf(CRAFTED["a decoy before"].data, "kernel"))
    assert scan.note is not None

    assert (b"GNU\0", 18, 4) == (scan.note.owner, scan.note.type, scan.note.descsz)


def test_every_reason_has_a_text() -> None:
    reasons = {value for name, value in vars(notes).items() if name.isupper() and isinstance(value, str)}

    assert reasons == set(notes.REASONS)


def test_at_most_4096_notes_are_read() -> None:
    image = parsed(builder.notes(raw_note(b"GNU\0", 1, b"") * 5000), builder.notes(note()))

    assert (4096, notes.NO_NOTE) == (len(notes.segment_notes(image)), result(notes.scan_by_abi(image)))


def test_the_notes_of_real_kernels_match_readelf(debian_vmlinux: Path) -> None:
    with closing(open_file(str(debian_vmlinux))) as data:
        raw_notes = [
            (note.owner.rstrip(b"\0").decode(), note.descsz, data[note.desc_offset : note.desc_offset + note.descsz])
            for note in notes.segment_notes(read_elf(data, "vmlinux"))
        ]
    listed = subprocess.run(["readelf", "-nW", debian_vmlinux], check=True, capture_output=True, text=True).stdout
    rows = [(owner, int(size, 16), shown) for owner, size, shown in READELF_NOTE.findall(listed)]

    assert [
        (owner, size, bytes.fromhex(shown) if shown else raw_notes[n][2]) for n, (owner, size, shown) in enumerate(rows)
    ] == raw_notes
    assert len(rows) in (17, 19)  # 32-bit and 64-bit kernels


def test_all_loaders_find_the_same_entry_except_that_linux_loader_refuses_32_bit_files(
    debian_vmlinux: Path,
) -> None:
    with closing(open_file(str(debian_vmlinux))) as data:
        is_wide = data[4:5] == ELFCLASS64
        scans = notes.all_scans(read_elf(data, "vmlinux"))
    entries = {scan.loader: scan.entry for scan in scans}
    last = entries.pop("linux-loader")

    assert (["ABI", "QEMU", "Xen"], 1) == ([*entries], len({*entries.values()}))
    assert (entries["ABI"] if is_wide else None) == last


def test_a_damaged_note_may_be_at_the_start_of_the_file() -> None:
    found = unread_notes.damage(parsed(Segment(builder.PT_NOTE, b"", offset=0, filesz=0x100)))

    assert found is not None
    assert (0, int.from_bytes(b"\x7fELF", "little"), 0x100) == (found.offset, found.namesz, found.unread)


@pytest.mark.parametrize(("bits", "size", "expected"), [(32, 4, ENTRY), (64, 4, notes.BEYOND_FILE), (64, 8, ENTRY)])
def test_qemu_reads_a_word_of_the_files_class_and_no_byte_more(bits: int, size: int, expected: int | str) -> None:
    fillers = (raw_note(b"Xen\0", 1, bytes(length)) for length in range(0, 2 << 12, 4))
    files = (elf([load(), builder.notes(filler, note(size=size))], bits=bits) for filler in fillers)
    data = next(file for file in files if len(file) % (1 << 12) == 0)

    assert expected == result(notes.scan_by_qemu(read_elf(data, "kernel")))
