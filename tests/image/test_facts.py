import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from pvhdbg.errors import GuestError, UserError
from pvhdbg.image.facts import EM_386, EM_X86_64, ImageFacts, Note, Segment, parse_facts, read_facts
from pvhdbg.image.fingerprints import NT_GNU_BUILD_ID
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
    return parse_facts(elf([load(CODE + banner), notes(note())]), "kernel")


def test_the_facts_of_real_kernels_match_readelf(debian_vmlinux: Path) -> None:
    facts = read_facts(str(debian_vmlinux))
    build_id = re.search(r"Build ID: ([0-9a-f]+)", readelf("-n", debian_vmlinux))
    assert build_id is not None

    assert listed_segments(debian_vmlinux) == list(facts.segments)
    wanted = (32, EM_386) if re.search(r"Class: +ELF32", readelf("-h", debian_vmlinux)) else (64, EM_X86_64)
    assert ("vmlinux", *wanted, build_id[1]) == (facts.kind, facts.elf_class, facts.machine, facts.build_id)


def test_the_release_of_a_real_kernel_is_in_its_files_name(debian_vmlinux: Path) -> None:
    assert debian_vmlinux.name == f"vmlinux-{read_facts(str(debian_vmlinux)).release}"


def test_the_facts_of_grub_match_readelf(grub_image: Path) -> None:
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


def test_notes_have_owner_type_and_descriptor() -> None:
    facts = parse_facts(elf([load(), notes(BUILD_ID, note())]), "kernel")

    assert (Note("GNU", 3, bytes(range(20))), Note("Xen", 18, b"\0\0\x10\0")) == facts.notes


def test_a_notes_owner_can_be_any_bytes() -> None:
    facts = parse_facts(elf([load(), notes(raw_note(b"\x1b[\xff", 1, b""))]), "kernel")

    assert "\x1b[\xff" == facts.notes[0].owner


def test_a_build_id_is_found_in_a_section_without_a_segment() -> None:
    facts = parse_facts(elf([load()], [Section(".note.gnu.build-id", SHT_NOTE, BUILD_ID)]), "kernel")

    assert bytes(range(20)).hex() == facts.build_id


def test_a_debug_file_has_the_build_id_of_its_kernel(vmlinux_612: Path, tmp_path: Path) -> None:
    stripped = tmp_path / "debug"
    subprocess.run(["objcopy", "--only-keep-debug", "--strip-debug", vmlinux_612, stripped], check=True)

    assert read_facts(str(vmlinux_612)).build_id == read_facts(str(stripped)).build_id


def test_linux_is_recognized_by_its_banner() -> None:
    assert ("vmlinux", "6.1.0-x") == (linux().kind, linux().release)


def test_linux_is_recognized_by_its_notes() -> None:
    facts = parse_facts(elf([load(), notes(raw_note(b"Linux\0", 0x100, b"salt"))]), "kernel")

    assert ("vmlinux", None) == (facts.kind, facts.release)


@pytest.mark.parametrize("text", [b"Linux version ", b"Linux version %s (%s)", b"Linux version 6.1\x1b[0m (me)"])
def test_text_that_only_resembles_the_banner_is_ignored(text: bytes) -> None:
    assert ("elf", None) == (linux(text).kind, linux(text).release)


def test_the_banner_is_found_after_text_that_resembles_it() -> None:
    assert "6.1.0-x" == linux(b"Linux version %s\0" + BANNER).release


@pytest.mark.parametrize(("others", "expected"), [(1023, "6.1.0-x"), (1024, None)])
def test_the_banner_is_found_among_the_first_1024_texts_that_resemble_it(others: int, expected: str | None) -> None:
    assert expected == linux(b"Linux version %s\0" * others + BANNER).release


def test_a_banner_outside_every_segment_is_ignored() -> None:
    facts = parse_facts(elf([load()], tail=BANNER), "kernel")

    assert ("elf", None) == (facts.kind, facts.release)


def test_path_and_kind_can_be_set_by_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "unpacked"
    path.write_bytes(GOOD)
    facts = read_facts("vmlinuz", elf=str(path), kind="bzimage")

    assert ("vmlinuz", str(path), "bzimage") == (facts.path, facts.elf, facts.kind)


def test_addresses_translate_both_ways() -> None:
    facts = parse_facts(elf([load(vaddr=0xFFFFFFFF80100000, memsz=0x1000), notes(note())]), "kernel")

    for offset in (0, 0xFFF):
        assert ENTRY + offset == facts.to_paddr(0xFFFFFFFF80100000 + offset)
        assert 0xFFFFFFFF80100000 + offset == facts.to_vaddr(ENTRY + offset)
    for offset in (-1, 0x1000):
        assert (None, None) == (facts.to_paddr(0xFFFFFFFF80100000 + offset), facts.to_vaddr(ENTRY + offset))
    assert (0xFFFFFFFF80100004, ENTRY + 4) == facts.aliases(0xFFFFFFFF80100004)
    assert (0x123,) == facts.aliases(0x123)


def test_the_end_of_a_segment_includes_its_zero_filled_part() -> None:
    (segment,) = parse_facts(elf([load(memsz=0x1000)]), "kernel").segments

    assert ENTRY + 0x1000 == segment.end


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x7fEL", "not an ELF file"),
        (b"#!/bin/sh\n", "not an ELF file"),
        (b"\x7fELF", "class 0, data encoding 0"),
        (b"\x7fELF\3\1", "class 3, data encoding 1"),
        (GOOD[:40], "before the end of the ELF header"),
        (GOOD[:100], "before the end of the program headers"),
        (GOOD[:-1], "before the end of the contents of segment 1"),
        (elf([load()], [Section("x", 1, b"")])[:-1], "before the end of the section headers"),
        (with_bytes(GOOD, 32, b"\xff" * 8), "before the end of the program headers"),
    ],
)
def test_a_damaged_file_is_a_one_line_error(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        parse_facts(data, "kernel")

    assert (True, "\n" in str(caught.value)) == (str(caught.value).startswith("kernel: "), False)


def test_a_big_endian_file_is_a_guest_error() -> None:
    with pytest.raises(GuestError, match="big-endian"):
        parse_facts(with_bytes(GOOD, 5, b"\2"), "kernel")


def test_a_file_that_is_not_regular_or_is_empty_or_missing_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "empty").touch()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
    for name, message in {
        "fifo": "not a regular file",
        "empty": "is empty",
        ".": "not a regular file",
        "missing": "No such file",
        "socket": "No such device",
    }.items():
        with pytest.raises(UserError, match=message):
            read_facts(str(tmp_path / name))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(GOOD)
    path.chmod(0)

    with pytest.raises(UserError, match="Permission denied"):
        read_facts(str(path))


def test_at_most_1_mib_of_note_descriptors_is_kept() -> None:
    many = [raw_note(b"X\0", 1, bytes(1 << 17)) for _ in range(20)]
    kept = parse_facts(elf([load(), notes(note(), *many)]), "kernel").notes

    assert 21 == len(kept)
    assert [4, *[1 << 16] * 15, (1 << 16) - 4, 0, 0, 0, 0] == [len(note.desc) for note in kept]


def test_the_number_of_fingerprints_is_limited() -> None:
    ids = [raw_note(b"GNU\0", NT_GNU_BUILD_ID, BUILD_ID)] * 5_000
    facts = parse_facts(elf([*[load()] * 5_000, notes(note(), *ids)]), "kernel")

    assert ["code at the entry"] == [fingerprint.name for fingerprint in facts.fingerprints]
