"""What each VMM's search finds in the crafted files. The sources of the VMMs say so: see `note_search`."""

from contextlib import closing
from pathlib import Path

import pytest

from pvhdbg.image import notes
from pvhdbg.image.file import open_file
from pvhdbg.image.header import read_elf
from pvhdbg.image.vmm_loaders.note_search import SEARCHES
from pvhdbg.vmm_profiles.profile import ALIOTH, GOKVM, LINUX_LOADER, OPENVMM
from tests.image import builder
from tests.image.builder import ENTRY, OTHER, Section, elf, load, note, raw_note
from tests.image.crafted import BUILD_ID, CRAFTED

SEARCHERS = (LINUX_LOADER, ALIOTH, GOKVM, OPENVMM)
TOO_LONG = (1 << 20) + 4


def found(data: bytes, search: str) -> int | str | None:
    """Return the entry address, or the reason why there is none."""
    scan = SEARCHES[search](read_elf(data, "kernel"))
    assert scan.reason in ("", *notes.REASONS)
    return scan.reason or scan.entry


@pytest.mark.parametrize(
    ("name", "by_linux_loader", "by_alioth", "by_gokvm", "by_openvmm"),  # in the order of SEARCHERS
    [
        ("64 bit", ENTRY, ENTRY, ENTRY, ENTRY),
        ("32 bit", notes.NOT_ELF64, notes.NOT_ELF64, ENTRY, notes.NOT_ELF64),
        ("for ARM", ENTRY, ENTRY, ENTRY, notes.NOT_X86_64),
        ("a descriptor of 8 bytes", ENTRY, ENTRY, ENTRY, ENTRY),
        ("a descriptor of 12 bytes", ENTRY, notes.NO_NOTE, ENTRY, notes.BAD_SIZE),
        ("owner Foo", notes.NO_NOTE, ENTRY, notes.NO_NOTE, notes.NO_NOTE),
        ("a decoy before", ENTRY, OTHER, ENTRY, ENTRY),
        ("two segments with a note", OTHER, ENTRY, OTHER, notes.DUPLICATE),
        ("a second segment without a note", notes.NO_NOTE, ENTRY, notes.LAST_WITHOUT, ENTRY),
        ("p_align 8, padded to 4", ENTRY, notes.NO_NOTE, ENTRY, notes.MALFORMED),
        ("p_align 8, padded to 8", notes.NO_NOTE, ENTRY, notes.NO_NOTE, notes.MALFORMED),
        ("a name without its NUL", notes.NO_NOTE, ENTRY, notes.NO_NOTE, notes.NO_NOTE),
        ("a damaged note after the right one", ENTRY, ENTRY, ENTRY, notes.MALFORMED),
        ("an empty segment of p_align 0", ENTRY, ENTRY, notes.EMPTY_SEGMENT, ENTRY),
        ("no PT_NOTE", *[notes.NO_SEGMENT] * 4),
        ("entry above 4 GiB", ENTRY, notes.TOO_BIG, ENTRY, notes.TOO_BIG),
        ("p_align 0", ENTRY, ENTRY, ENTRY, ENTRY),
    ],
)
def test_the_searches_differ_as_the_sources_of_the_vmms_say(
    name: str, by_linux_loader: int | str, by_alioth: int | str, by_gokvm: int | str, by_openvmm: int | str
) -> None:
    results = [found(CRAFTED[name].data, search) for search in SEARCHERS]

    assert [by_linux_loader, by_alioth, by_gokvm, by_openvmm] == results


def test_only_alioth_reads_sections_if_no_segment_has_a_note() -> None:
    # The builder aligns sections to 8, and alioth pads to the alignment.
    data = elf([load(), builder.notes(BUILD_ID)], [Section(".notes", builder.SHT_NOTE, note(OTHER, pad=8))])

    assert {LINUX_LOADER: notes.NO_NOTE, ALIOTH: OTHER, GOKVM: notes.NO_NOTE, OPENVMM: notes.NO_NOTE} == {
        search: found(data, search) for search in SEARCHERS
    }


def test_alioth_requires_that_p_align_is_a_power_of_2() -> None:
    data = elf([load(), builder.notes(note(), align=12)])

    assert (notes.ODD_ALIGN, ENTRY) == (found(data, ALIOTH), found(data, GOKVM))


def test_openvmm_refuses_notes_of_more_than_1_mib_and_a_second_note_in_the_same_segment() -> None:
    long = elf([load(), builder.notes(raw_note(b"GNU\0", 3, bytes(TOO_LONG)), note())])
    twice = elf([load(), builder.notes(note(), note(OTHER))])

    assert (notes.TOO_LARGE, notes.DUPLICATE) == (found(long, OPENVMM), found(twice, OPENVMM))
    assert [ENTRY, ENTRY] == [found(twice, search) for search in (ALIOTH, GOKVM)]


@pytest.mark.parametrize("search", SEARCHERS)
def test_a_search_ends_in_a_segment_of_a_million_empty_notes(search: str) -> None:
    data = elf([load(), *[builder.notes(bytes(0xF0000))] * 3])

    assert notes.ENDLESS == found(data, search)


def test_every_search_finds_the_entry_of_real_kernels_that_it_accepts(debian_vmlinux: Path) -> None:
    with closing(open_file(str(debian_vmlinux))) as data:
        image = read_elf(data, "vmlinux")
        scans = {search: SEARCHES[search](image) for search in SEARCHERS}
    accepted = [scan.entry for scan in scans.values() if scan.reason != notes.NOT_ELF64]

    assert {notes.scan_by_abi(image).entry} == set(accepted)
    assert len(accepted) == (4 if image.elf_class == 2 else 1)
