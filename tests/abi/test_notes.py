"""Xen's notes by number, and descriptors as text: a file can hold any bytes."""

import re
import subprocess
from pathlib import Path

import pytest

from pvhdbg.abi.notes import (
    MAX_SHOWN,
    NUM,
    OWNER,
    PHYS32_ENTRY,
    XEN_NOTES,
    Relocation,
    describe,
    note_name,
    numeric_value,
    relocation,
)

READELF = re.compile(r"^  Xen +0x[0-9a-f]+\t(.*?)\t *description data: ([0-9a-f ]*)$", re.MULTILINE)
# readelf prints these names for Xen's notes, although they belong to other owners.
MISLABELED = {"NT_VERSION (version)": 1, "NT_ARCH (architecture)": 2, "GO BUILDID": 4}


def xen_notes(vmlinux: Path) -> list[tuple[int, bytes]]:
    """Return the number and the descriptor of each Xen note, from readelf."""
    listing = subprocess.run(["readelf", "-nW", vmlinux], check=True, capture_output=True, text=True).stdout
    return [(number(name), bytes.fromhex(desc)) for name, desc in READELF.findall(listing)]


def number(name: str) -> int:
    known = MISLABELED.get(name)
    return int(name.rpartition("(")[2].rstrip(")"), 16) if known is None else known


def test_every_number_from_0_to_19_has_a_name() -> None:
    assert set(range(20)) == {number for number in XEN_NOTES if number < 0x1000000}


def test_every_note_has_its_own_name() -> None:
    assert len(XEN_NOTES) == len({note.name for note in XEN_NOTES.values()})


def test_a_number_means_a_xen_note_only_with_the_owner_xen() -> None:
    assert ["ENTRY", "NT_GNU_ABI_TAG", "unknown", "unknown"] == [
        note_name("Xen", 1),
        note_name("GNU", 1),
        note_name("Foo", 1),
        note_name("Xen", 42),
    ]


def test_all_xen_notes_of_debians_kernels_are_known_and_well_formed(debian_vmlinux: Path) -> None:
    notes = xen_notes(debian_vmlinux)

    assert PHYS32_ENTRY in dict(notes)
    assert [] == [
        note for note in notes if note[0] not in XEN_NOTES or "malformed" in describe(OWNER, *note) or not note[1]
    ]


def test_descriptors_of_debians_61_are_shown_as_text(vmlinux_61: Path) -> None:
    notes = dict(xen_notes(vmlinux_61))

    assert '"linux"' == describe(OWNER, 6, notes[6])
    assert '"!writable_page_tables|pae_pgdir_above_4gb"' == describe(OWNER, 10, notes[10])
    assert "mask 0x1 value 0x1" == describe(OWNER, 13, notes[13])
    assert "0x8801 writable_page_tables | dom0 | linux_rsdp_unrestricted" == describe(OWNER, 17, notes[17])


def test_debians_612_is_relocatable_within_a_gibibyte(vmlinux_612: Path) -> None:
    desc = dict(xen_notes(vmlinux_612))[19]

    assert Relocation(0x200000, 0x1000000, 0x3FFFFFFF) == relocation(desc)
    assert "alignment 0x200000, lowest start 0x1000000, highest last byte 0x3fffffff" == describe(OWNER, 19, desc)


def test_a_numeric_descriptor_has_four_or_eight_bytes() -> None:
    assert [0x1000850, 0x1000850, None, None] == [
        numeric_value(bytes.fromhex(desc)) for desc in ("50080001", "5008000100000000", "500800", "")
    ]


def test_values_omitted_by_phys32_reloc_have_their_defaults() -> None:
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


def test_a_malformed_descriptor_is_shown_as_bytes() -> None:
    assert "malformed: 3 bytes instead of 4 or 8: 01 02 03" == describe(OWNER, PHYS32_ENTRY, b"\1\2\3")
    assert "malformed: 0 bytes instead of pairs of mask and value: empty" == describe(OWNER, 13, b"")


@pytest.mark.parametrize("number", [*XEN_NOTES, 42, 0xFFFFFFFF])
@pytest.mark.parametrize("length", [0, 1, 4, 7, 8, 12, 16, 100_000])
def test_any_descriptor_of_any_note_is_shown_as_one_short_line(number: int, length: int) -> None:
    shown = describe(OWNER, number, b"\x1b" * length)

    assert shown.replace("…", "").isprintable()
    assert len(shown) < 6 * MAX_SHOWN


def test_a_string_ends_at_its_nul_and_cannot_control_a_terminal() -> None:
    assert r'"a\x1b[2J\x9b\\"' == describe(OWNER, 6, b"a\x1b[2J\x9b\\\0after")


def test_every_numeric_note_is_shown_as_a_number() -> None:
    numeric = [number for number, note in XEN_NOTES.items() if note.kind == NUM]

    assert ["0xff"] * len(numeric) == [describe(OWNER, number, b"\xff\0\0\0").split()[0] for number in numeric]


def test_only_a_string_that_is_too_long_is_cut() -> None:
    assert [f'"{"x" * MAX_SHOWN}"', f'"{"x" * MAX_SHOWN}"…'] == [
        describe(OWNER, 6, b"x" * length) for length in (MAX_SHOWN, MAX_SHOWN + 1)
    ]
