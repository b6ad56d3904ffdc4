"""Xen's notes by number, and descriptors in words: a file may hold any bytes."""

import re
import subprocess
from pathlib import Path

import pytest

from pvhdbg.abi.notes import (
    NUM,
    OWNER,
    PHYS32_ENTRY,
    SHOWN,
    XEN_NOTES,
    Relocation,
    describe,
    note_name,
    note_number,
    relocation,
)

READELF = re.compile(r"^  Xen +0x[0-9a-f]+\t(.*?)\t *description data: ([0-9a-f ]*)$", re.MULTILINE)
# What readelf calls Xen's notes, after the names that other owners have for these numbers.
MISLABELLED = {"NT_VERSION (version)": 1, "GO BUILDID": 4}


def xen_notes(vmlinux: Path) -> list[tuple[int, bytes]]:
    """Number and descriptor of every note of Xen's, by readelf."""
    listed = subprocess.run(["readelf", "-nW", vmlinux], check=True, capture_output=True, text=True).stdout
    return [(number(name), bytes.fromhex(desc)) for name, desc in READELF.findall(listed)]


def number(name: str) -> int:
    known = MISLABELLED.get(name)
    return int(name.rpartition("(")[2].rstrip(")"), 16) if known is None else known


def test_every_number_from_0_to_19_has_a_name() -> None:
    assert set(range(20)) == {each for each in XEN_NOTES if each < 0x1000000}


def test_no_two_notes_have_one_name() -> None:
    assert len(XEN_NOTES) == len({each.name for each in XEN_NOTES.values()})


def test_a_number_means_xens_note_under_xens_name_alone() -> None:
    assert ["ENTRY", "NT_GNU_ABI_TAG", "unknown", "unknown"] == [
        note_name("Xen", 1),
        note_name("GNU", 1),
        note_name("Foo", 1),
        note_name("Xen", 42),
    ]


def test_debians_kernels_have_notes_that_are_all_known_and_well_formed(debian_vmlinux: Path) -> None:
    notes = xen_notes(debian_vmlinux)

    assert PHYS32_ENTRY in dict(notes)
    assert [] == [
        each for each in notes if each[0] not in XEN_NOTES or "malformed" in describe(OWNER, *each) or not each[1]
    ]


def test_debians_61_says_in_words_what_it_wants(vmlinux_61: Path) -> None:
    notes = dict(xen_notes(vmlinux_61))

    assert '"linux"' == describe(OWNER, 6, notes[6])
    assert '"!writable_page_tables|pae_pgdir_above_4gb"' == describe(OWNER, 10, notes[10])
    assert "mask 0x1 value 0x1" == describe(OWNER, 13, notes[13])
    assert "0x8801 writable_page_tables | dom0 | linux_rsdp_unrestricted" == describe(OWNER, 17, notes[17])


def test_debians_612_can_be_moved_within_a_gibibyte(vmlinux_612: Path) -> None:
    desc = dict(xen_notes(vmlinux_612))[19]

    assert Relocation(0x200000, 0x1000000, 0x3FFFFFFF) == relocation(desc)
    assert "align 0x200000, from 0x1000000, last byte up to 0x3fffffff" == describe(OWNER, 19, desc)


def test_a_number_is_four_or_eight_bytes() -> None:
    assert [0x1000850, 0x1000850, None, None] == [
        note_number(bytes.fromhex(desc)) for desc in ("50080001", "5008000100000000", "500800", "")
    ]


def test_what_phys32_reloc_leaves_out_has_its_default() -> None:
    words = [(0x1000).to_bytes(4, "little"), (0x2000).to_bytes(4, "little"), (0x3000).to_bytes(4, "little")]

    assert [
        Relocation(None, 0, 0xFFFFFFFF),
        Relocation(0x1000, 0, 0xFFFFFFFF),
        Relocation(0x1000, 0x2000, 0xFFFFFFFF),
        Relocation(0x1000, 0x2000, 0x3000),
        Relocation(0x1000, 0x2000, 0x3000),
    ] == [relocation(b"".join([*words, b"more"][:count])) for count in range(5)]


def test_pairs_are_as_wide_as_a_page_table_entry() -> None:
    narrow = b"\1\0\0\0" * 2
    wide = (b"\1" + bytes(7)) * 2

    assert "mask 0x1 value 0x1" == describe(OWNER, 13, narrow) == describe(OWNER, 13, wide)


def test_a_malformed_number_is_shown_as_its_bytes() -> None:
    assert "malformed, 3 bytes where 4 or 8 are a number: 01 02 03" == describe(OWNER, PHYS32_ENTRY, b"\1\2\3")
    assert "malformed, 0 bytes are no pairs: empty" == describe(OWNER, 13, b"")


@pytest.mark.parametrize("number", [*XEN_NOTES, 42, 0xFFFFFFFF])
@pytest.mark.parametrize("length", [0, 1, 4, 7, 8, 12, 16, 100_000])
def test_any_bytes_of_any_note_print_as_one_short_line(number: int, length: int) -> None:
    shown = describe(OWNER, number, b"\x1b" * length)

    assert shown.replace("…", "").isprintable()
    assert len(shown) < 6 * SHOWN


def test_a_string_ends_at_its_nul_and_steers_no_terminal() -> None:
    assert r'"a\x1b[2J\x9b\\"' == describe(OWNER, 6, b"a\x1b[2J\x9b\\\0after")


def test_numbers_are_read_wherever_the_table_says_so() -> None:
    numeric = [each for each, note in XEN_NOTES.items() if note.kind == NUM]

    assert ["0xff"] * len(numeric) == [describe(OWNER, each, b"\xff\0\0\0").split()[0] for each in numeric]
