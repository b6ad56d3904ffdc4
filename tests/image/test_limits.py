"""The remarks of `inspect` about a file that exceeds its limits. There are none about any other file."""

from contextlib import closing
from pathlib import Path

import pytest

from pvhdbg.image.file import open_file
from pvhdbg.image.header import Elf, read_elf
from pvhdbg.image.limits import MAX_CONFIG, left_out
from tests.image.builder import SHT_NOTE, SHT_PROGBITS, Section, elf, load, note, notes, raw_note

MIB = 1 << 20
SMALL = elf([load(), notes(note())])


def lines(data: bytes, *, config_size: int | None = 100, has_release: bool = True) -> dict[str, str]:
    return left_out(read_elf(data, "kernel"), config_size=config_size, has_release=has_release)


def comment(size: int) -> bytes:
    return elf([load()], [Section(".comment", SHT_PROGBITS, b"x" * size)])


def many(image: Elf, segments: int, sections: int) -> dict[str, str]:
    headers = image._replace(segments=image.segments[:1] * segments, sections=image.sections[:1] * sections)
    return left_out(headers, config_size=None, has_release=False)


def test_nothing_is_reported_about_a_real_kernel(debian_vmlinux: Path) -> None:
    with closing(open_file(str(debian_vmlinux))) as data:
        assert {} == left_out(read_elf(data, "vmlinux"), config_size=None, has_release=True)


def test_nothing_is_reported_about_a_file_at_the_limits() -> None:
    image = read_elf(comment(4096), "kernel")
    full = [raw_note(b"A\0", 1, bytes(1 << 16))] * 16

    assert [{}, {}] == [many(image, 4096, 4096), lines(elf([load(), notes(*full)]), config_size=MAX_CONFIG - 1)]
    assert {} == lines(elf([load(), notes(*[raw_note(b"A\0", 1, b"")] * 4096)]))


def test_the_number_of_headers_is_reported() -> None:
    image = read_elf(comment(1), "kernel")

    assert {
        "elf.program_headers": "only the first 4096 of 4097 program headers are listed",
        "elf.sections": "only the first 4096 of 5000 sections are listed",
    } == many(image, 4097, 5000)


@pytest.mark.parametrize("section", [False, True])
def test_more_than_4096_notes_are_reported(section: bool) -> None:
    data = raw_note(b"A\0", 1, b"") * 4097
    file = elf([load()], [Section(".notes", SHT_NOTE, data)]) if section else elf([load(), notes(data)])

    assert {"kernel.notes": "only the first 4096 notes are read"} == lines(file)


@pytest.mark.parametrize("sizes", [[(1 << 16) + 1], [1 << 16] * 16 + [1]])
def test_long_notes_are_reported(sizes: list[int]) -> None:
    data = elf([load(), notes(*(raw_note(b"A\0", 1, bytes(size)) for size in sizes))])

    assert ["kernel.notes"] == [*lines(data)]


def test_long_names_and_a_long_comment_are_reported() -> None:
    names = elf([load()], [Section("x" * 255, SHT_PROGBITS, b"")])

    assert [["elf.sections"], ["elf.compiler"]] == [[*lines(names)], [*lines(comment(4097))]]
    assert {} == lines(elf([load()], [Section("x" * 254, SHT_PROGBITS, b"")]))


def test_a_configuration_that_was_cut_is_reported() -> None:
    assert {"config": f"only the first {MAX_CONFIG} bytes of the configuration are read"} == lines(
        SMALL, config_size=MAX_CONFIG
    )


def test_segments_that_were_not_searched_to_the_end_are_reported_if_nothing_was_found() -> None:
    data = elf([load(bytes(64 * MIB + 1))])
    shared = elf([load(bytes(60 * MIB))])
    image = read_elf(shared, "kernel")

    assert {"config", "kernel.release"} == lines(data, config_size=None, has_release=False).keys()
    assert {} == lines(data)
    # Each byte is searched once, however many segments share it.
    assert {} == left_out(image._replace(segments=image.segments * 2), config_size=None, has_release=False)
