import random
import re
import subprocess
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from pvhdbg.image import notes
from pvhdbg.image.header import Elf, map_file, read_elf
from tests.image import builder
from tests.image.builder import E_ENTRY, ENTRY, OTHER, Section, Segment, elf, load, note, raw_note
from tests.image.crafted import BUILD_ID, CRAFTED, WALL
from tests.image.real_qemu import entered, what_qemu_does

ELFCLASS64 = 2

MIB2 = 0x200000
READELF_NOTE = re.compile(r"^  (\S+) +0x([0-9a-f]{8})\t.*?(?:description data: ([0-9a-f ]*))?$", re.MULTILINE)


def parsed(*segments: Segment, bits: int = 64, tail: bytes = b"") -> Elf:
    return read_elf(elf([load(align=MIB2), *segments], bits=bits, tail=tail), "kernel")


def result(scan: notes.Scan) -> int | str | None:
    """The entry address, or why there is none."""
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
def test_qemus_scan_of_random_notes_ends_where_qemu_does(seed: int, tmp_path: Path) -> None:
    # Only code at these addresses can tell that it was reached; behind the file's end anything may lie.
    tries = (random_file(random.Random(f"{seed} {number}")) for number in count())
    scanned = ((data, notes.qemu(read_elf(data, "kernel"))) for data in tries)
    telling = (each for each in scanned if each[1].reason != notes.BEYOND_FILE)
    data, scan = next(each for each in telling if each[1].entry in (None, ENTRY, OTHER, E_ENTRY))
    path = tmp_path / "kernel"
    path.write_bytes(data)

    expected = "without PVH ELF Note" if scan.entry is None else entered(scan.entry)

    assert expected in what_qemu_does(path, "microvm")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("64 bit", ENTRY),
        ("32 bit", ENTRY),
        ("a descriptor of 8 bytes", ENTRY),
        ("behind another note", ENTRY),
        ("owner Foo", notes.NO_NOTE),
        ("a decoy before", ENTRY),
        ("two segments with a note", OTHER),
        ("just behind p_filesz", notes.NO_NOTE),
        ("p_align 8, padded to 4", ENTRY),
        ("p_align 8, padded to 8", notes.NO_NOTE),
        ("p_align 0", ENTRY),
        ("no PT_NOTE", notes.NO_SEGMENT),
        ("entry 0", notes.ZERO),
        ("entry above 4 GiB", notes.TOO_BIG),
        ("a descriptor of 12 bytes", notes.BAD_SIZE),
        ("a section alone", notes.NO_SEGMENT),
    ],
)
def test_the_abi_wants_a_segment_the_owner_and_padding_to_4(name: str, expected: int | str) -> None:
    assert expected == result(notes.abi(read_elf(CRAFTED[name].data, "kernel")))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("64 bit", ENTRY),
        ("owner Foo", notes.NO_NOTE),
        ("a section alone", ENTRY),
        ("entry above 4 GiB", ENTRY),
        ("a descriptor of 12 bytes", notes.BAD_SIZE),
        ("two segments with a note", OTHER),
    ],
)
def test_xen_looks_at_sections_too_where_segments_have_none_of_its_notes(name: str, expected: int | str) -> None:
    assert expected == result(notes.xen(read_elf(CRAFTED[name].data, "kernel")))


def test_xen_prefers_segments_to_sections() -> None:
    data = elf([load(), builder.notes(note())], [Section(".notes", builder.SHT_NOTE, note(OTHER))])

    assert ENTRY == notes.xen(read_elf(data, "kernel")).entry


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
        (parsed(load(align=0x1000), builder.notes(note())), notes.LOAD_ALIGN),
        (parsed(load(align=0), builder.notes(note())), ENTRY),
    ],
)
def test_linux_loader_pads_by_4_and_its_last_segment_decides(elf_: Elf, expected: int | str) -> None:
    assert expected == result(notes.linux_loader(elf_))


@pytest.mark.timeout(30)
def test_many_segments_that_share_their_notes_are_walked_in_bounds() -> None:
    found = parsed(builder.notes(*[BUILD_ID] * 4000))
    shared = found._replace(segments=(found.segments[0], *[found.segments[1]] * 60000))

    assert [notes.NO_NOTE, notes.NO_NOTE] == [result(notes.abi(shared)), result(notes.linux_loader(shared))]


@pytest.mark.parametrize(
    ("elf_", "expected"),
    [
        # Nothing behind the notes but the zeros of the last page: QEMU reads on, and out of the file.
        (parsed(builder.notes(BUILD_ID)), notes.BEYOND_FILE),
        (parsed(builder.notes(note(), filesz=1 << 20)), notes.OUTSIDE_FILE),
        # Steps of 12 bytes through anything that never asks for more than the segment has.
        (parsed(builder.notes(raw_note(b"", 1, b"") * 70000, filesz=12)), notes.ENDLESS),
        # In 64 bits 2 * (2**63 - 6) + 12 is 0: QEMU never leaves this note.
        (parsed(builder.notes(raw_note(b"G\0\0\0", 1, b"abcd"), align=(1 << 63) - 6)), notes.ENDLESS),
        (parsed(builder.notes(raw_note(b"", 1, b""), bytes(12 * 100000), note(), filesz=12)), ENTRY),
    ],
)
def test_qemus_scan_that_leaves_its_segment_is_followed_to_an_end(elf_: Elf, expected: int | str) -> None:
    assert expected == result(notes.qemu(elf_))


def test_a_scan_tells_which_note_decided() -> None:
    scan = notes.qemu(read_elf(CRAFTED["a decoy before"].data, "kernel"))
    assert scan.note is not None

    assert (b"GNU\0", 18, 4) == (scan.note.owner, scan.note.type, scan.note.descsz)


def test_every_reason_for_no_entry_has_a_sentence() -> None:
    reasons = {value for name, value in vars(notes).items() if name.isupper() and isinstance(value, str)}

    assert reasons == set(notes.REASONS)


def test_more_notes_than_any_kernel_has_are_not_read() -> None:
    image = parsed(builder.notes(raw_note(b"GNU\0", 1, b"") * 5000), builder.notes(note()))

    assert (4096, notes.NO_NOTE) == (len(notes.segment_notes(image)), result(notes.abi(image)))


def test_the_notes_of_real_kernels_are_those_that_readelf_lists(debian_vmlinux: Path) -> None:
    with closing(map_file(str(debian_vmlinux))) as data:
        found = [
            (each.owner.rstrip(b"\0").decode(), each.descsz, data[each.desc_offset : each.desc_offset + each.descsz])
            for each in notes.segment_notes(read_elf(data, "vmlinux"))
        ]
    listed = subprocess.run(["readelf", "-nW", debian_vmlinux], check=True, capture_output=True, text=True).stdout
    rows = [(owner, int(size, 16), shown) for owner, size, shown in READELF_NOTE.findall(listed)]

    assert [
        (owner, size, bytes.fromhex(shown) if shown else found[n][2]) for n, (owner, size, shown) in enumerate(rows)
    ] == found
    assert len(rows) in (17, 19)  # of 32 bits and of 64


def test_every_loader_enters_real_kernels_at_the_same_place_and_one_knows_64_bit_files_alone(
    debian_vmlinux: Path,
) -> None:
    with closing(map_file(str(debian_vmlinux))) as data:
        is_wide = data[4] == ELFCLASS64
        scans = notes.scans(read_elf(data, "vmlinux"))
    entries = {scan.loader: scan.entry for scan in scans}
    last = entries.pop("linux-loader")

    assert (["ABI", "QEMU", "Xen"], 1) == ([*entries], len({*entries.values()}))
    assert (entries["ABI"] if is_wide else None) == last
