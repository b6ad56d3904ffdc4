import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from pvhdbg.errors import GuestError, UserError
from pvhdbg.image.facts import EM_386, EM_X86_64, ImageFacts, Note, Segment, facts_of, read_facts
from pvhdbg.image.marks import NT_GNU_BUILD_ID
from tests.image.builder import CODE, ENTRY, SHT_NOTE, Section, elf, load, note, notes, raw_note
from tests.image.crafted import BUILD_ID, GOOD, with_bytes

BANNER = b"Linux version 6.1.0-x (someone@somewhere) (gcc) #1 SMP"
LOAD_ROW = re.compile(r"^  LOAD +(0x\S+) (0x\S+) (0x\S+) (0x\S+) (0x\S+)", re.MULTILINE)


def readelf(option: str, path: Path) -> str:
    return subprocess.run(["readelf", option, path], check=True, capture_output=True, text=True).stdout


def listed_segments(path: Path) -> list[Segment]:
    rows = ([int(number, 16) for number in row] for row in LOAD_ROW.findall(readelf("-lW", path)))
    return [Segment(paddr, vaddr, filesz, memsz, offset) for offset, vaddr, paddr, filesz, memsz in rows]


def linux(banner: bytes = BANNER) -> ImageFacts:
    return facts_of(elf([load(CODE + banner), notes(note())]), "kernel")


def test_the_facts_of_real_kernels_are_those_that_readelf_shows(debian_vmlinux: Path) -> None:
    facts = read_facts(str(debian_vmlinux))
    build_id = re.search(r"Build ID: ([0-9a-f]+)", readelf("-n", debian_vmlinux))
    assert build_id is not None

    assert listed_segments(debian_vmlinux) == list(facts.segments)
    wanted = (32, EM_386) if re.search(r"Class: +ELF32", readelf("-h", debian_vmlinux)) else (64, EM_X86_64)
    assert ("vmlinux", *wanted, build_id[1]) == (facts.kind, facts.elf_class, facts.machine, facts.build_id)


def test_the_release_of_a_real_kernel_is_in_its_files_name(debian_vmlinux: Path) -> None:
    assert debian_vmlinux.name == f"vmlinux-{read_facts(str(debian_vmlinux)).release}"


def test_the_facts_of_grub_are_those_that_readelf_shows(grub_image: Path) -> None:
    facts = read_facts(str(grub_image))

    assert listed_segments(grub_image) == list(facts.segments)
    assert ("elf", 32, EM_386, 0x100000, None, None) == (
        facts.kind,
        facts.elf_class,
        facts.machine,
        facts.entry,
        facts.build_id,
        facts.release,
    )


def test_notes_are_told_with_owner_type_and_bytes() -> None:
    facts = facts_of(elf([load(), notes(BUILD_ID, note())]), "kernel")

    assert (Note("GNU", 3, bytes(range(20))), Note("Xen", 18, b"\0\0\x10\0")) == facts.notes


def test_an_owner_may_be_any_bytes() -> None:
    facts = facts_of(elf([load(), notes(raw_note(b"\x1b[\xff", 1, b""))]), "kernel")

    assert "\x1b[\xff" == facts.notes[0].owner


def test_a_build_id_may_be_in_a_section_alone() -> None:
    facts = facts_of(elf([load()], [Section(".note.gnu.build-id", SHT_NOTE, BUILD_ID)]), "kernel")

    assert bytes(range(20)).hex() == facts.build_id


def test_a_file_of_symbols_alone_keeps_its_build_id(vmlinux_612: Path, tmp_path: Path) -> None:
    stripped = tmp_path / "debug"
    subprocess.run(["objcopy", "--only-keep-debug", "--strip-debug", vmlinux_612, stripped], check=True)

    assert read_facts(str(vmlinux_612)).build_id == read_facts(str(stripped)).build_id


def test_linux_is_known_by_its_banner() -> None:
    assert ("vmlinux", "6.1.0-x") == (linux().kind, linux().release)


def test_linux_is_known_by_its_notes_too() -> None:
    facts = facts_of(elf([load(), notes(raw_note(b"Linux\0", 0x100, b"salt"))]), "kernel")

    assert ("vmlinux", None) == (facts.kind, facts.release)


@pytest.mark.parametrize("text", [b"Linux version ", b"Linux version %s (%s)", b"Linux version 6.1\x1b[0m (me)"])
def test_what_only_resembles_the_banner_is_none(text: bytes) -> None:
    assert ("elf", None) == (linux(text).kind, linux(text).release)


def test_the_banner_is_found_behind_what_resembles_it() -> None:
    assert "6.1.0-x" == linux(b"Linux version %s\0" + BANNER).release


def test_a_banner_outside_every_segment_does_not_count() -> None:
    facts = facts_of(elf([load()], tail=BANNER), "kernel")

    assert ("elf", None) == (facts.kind, facts.release)


def test_path_and_kind_are_the_callers_where_given(tmp_path: Path) -> None:
    path = tmp_path / "unpacked"
    path.write_bytes(GOOD)
    facts = read_facts("vmlinuz", elf=str(path), kind="bzimage")

    assert ("vmlinuz", str(path), "bzimage") == (facts.path, facts.elf, facts.kind)


def test_addresses_translate_both_ways_and_have_two_aliases() -> None:
    facts = facts_of(elf([load(vaddr=0xFFFFFFFF80100000, memsz=0x1000), notes(note())]), "kernel")

    assert ENTRY + 0xFFF == facts.physical(0xFFFFFFFF80100FFF)
    assert 0xFFFFFFFF80100FFF == facts.linked(ENTRY + 0xFFF)
    assert (None, None) == (facts.physical(0xFFFFFFFF80101000), facts.linked(ENTRY - 1))
    assert (0xFFFFFFFF80100004, ENTRY + 4) == facts.aliases(0xFFFFFFFF80100004)
    assert (0x123,) == facts.aliases(0x123)


def test_a_segment_ends_behind_its_memory() -> None:
    (segment,) = facts_of(elf([load(memsz=0x1000)]), "kernel").segments

    assert ENTRY + 0x1000 == segment.end


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x7fEL", "not an ELF file"),
        (b"#!/bin/sh\n", "not an ELF file"),
        (b"\x7fELF", "class 0, data encoding 0"),
        (b"\x7fELF\3\1", "class 3, data encoding 1"),
        (GOOD[:40], "the ELF header end"),
        (GOOD[:100], "the program headers end at"),
        (GOOD[:-1], "the contents of segment 1 end at"),
        (elf([load()], [Section("x", 1, b"")])[:-1], "the section headers end at"),
        (with_bytes(GOOD, 32, b"\xff" * 8), "the program headers end at"),
    ],
)
def test_a_damaged_file_is_an_error_in_one_line(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        facts_of(data, "kernel")

    assert (True, "\n" in str(caught.value)) == (str(caught.value).startswith("kernel: "), False)


def test_a_big_endian_file_is_the_guests_fault() -> None:
    with pytest.raises(GuestError, match="big-endian"):
        facts_of(with_bytes(GOOD, 5, b"\2"), "kernel")


def test_what_is_no_regular_file_is_an_error_and_no_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "empty").touch()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
    for name, message in {
        "fifo": "no regular file",
        "empty": "is empty",
        ".": "is a directory",
        "missing": "No such file",
        "socket": "No such device",
    }.items():
        with pytest.raises(UserError, match=message):
            read_facts(str(tmp_path / name))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(GOOD)
    path.chmod(0)

    with pytest.raises(UserError, match="Permission denied"):
        read_facts(str(path))


def test_of_many_long_notes_a_mebibyte_is_kept() -> None:
    many = [raw_note(b"X\0", 1, bytes(1 << 17)) for _ in range(20)]
    found = facts_of(elf([load(), notes(note(), *many)]), "kernel").notes

    assert 21 == len(found)
    assert [4, *[1 << 16] * 15, (1 << 16) - 4, 0, 0, 0, 0] == [len(each.desc) for each in found]


def test_of_many_places_that_tell_a_kernel_few_are_kept() -> None:
    ids = [raw_note(b"GNU\0", NT_GNU_BUILD_ID, BUILD_ID)] * 5_000
    facts = facts_of(elf([*[load()] * 5_000, notes(note(), *ids)]), "kernel")

    assert ["code at the entry"] == [each.what for each in facts.marks]
