"""The table of guests: its rows are consistent, and each guest is recognized by each of its marks."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.boot.stop import stages
from pvhdbg.guest_profiles import linux, table
from pvhdbg.guest_profiles.profile import GuestProfile
from pvhdbg.guest_profiles.table import OTHER, PROFILES, named, recognize
from pvhdbg.image.load import open_kernel
from tests.guest_profiles.small import small
from tests.image.builder import elf, load, note, notes

FOREIGN = [profile for profile in PROFILES if not profile.boots_like_linux and profile is not OTHER]
BY_NAME = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)


def guest_of(path: Path, folder: Path) -> str:
    kernel = open_kernel(str(path), folder)
    kernel.symbols.close()
    return kernel.facts.guest


@BY_NAME
def test_the_stages_of_a_guest_are_stages_and_in_the_order_of_the_boot(profile: GuestProfile) -> None:
    names = [stage.name for stage in profile.stages]

    assert names == [name for name in stages.NAMES[1:] if name in names]
    assert {stage for variable in profile.variables for stage in variable.stages} <= {*names}
    assert {variable.key for variable in profile.variables} <= {*stages.CAPTURE_KEYS}
    assert named(profile.name) is profile


@BY_NAME
def test_the_facts_about_a_guest_are_clauses_without_a_capital(profile: GuestProfile) -> None:
    for sentence in (profile.reads, profile.ignores, profile.requires):
        assert sentence.endswith("."), sentence
        assert sentence[0].islower() or sentence.startswith(("RSDP", "Xen")), sentence
    assert profile.source
    assert bool(profile.tried) == (profile.boots_like_linux or profile.name in ("grub", "xen-guest"))


@pytest.mark.parametrize("profile", FOREIGN, ids=lambda profile: profile.name)
def test_a_guest_is_recognized_by_each_of_its_marks_alone(profile: GuestProfile, tmp_path: Path) -> None:
    marks = profile.marks
    xen_note = ("Xen", 6, marks.guest_os.encode() + b" 10\0")
    (tmp_path / "guest").write_bytes(small(profile))

    assert profile.name == guest_of(tmp_path / "guest", tmp_path)
    assert (profile if marks.symbols else OTHER) is recognize([], marks.symbols, 64)
    assert (profile if marks.guest_os else OTHER) is recognize([xen_note], (), 64)
    assert (profile if marks.note_owner else OTHER) is recognize([(marks.note_owner, 1, b"")], (), 64)
    assert (profile if marks.string else OTHER) is recognize([], (), 64, lambda text: text == marks.string)
    if len(marks.symbols) > 1:
        assert OTHER is recognize([], marks.symbols[1:], 64)


@pytest.mark.parametrize("profile", FOREIGN, ids=lambda profile: profile.name)
def test_without_symbols_notes_and_strings_still_tell(profile: GuestProfile, tmp_path: Path) -> None:
    (tmp_path / "guest").write_bytes(small(profile, named=False))
    marks = profile.marks
    expected = profile if marks.guest_os or marks.note_owner or marks.string else OTHER

    assert expected.name == guest_of(tmp_path / "guest", tmp_path)


def test_a_file_without_marks_is_any_other_guest(tmp_path: Path) -> None:
    (tmp_path / "guest").write_bytes(elf([load(), notes(note())]))

    facts = open_kernel(str(tmp_path / "guest"), tmp_path).facts

    assert OTHER.name == facts.guest
    assert ["entry"] == [stage.name for stage in stages.of(facts) if not stage.lacking]


def test_real_guests_are_recognized(grub_image: Path, xen_shim: Path, vmlinux_61: Path, tmp_path: Path) -> None:
    files = {grub_image: "grub", xen_shim: "xen-guest", vmlinux_61: "linux", guest.ELF: "teaching-guest"}

    assert files == {path: guest_of(path, tmp_path) for path in files}


def test_a_stripped_linux_is_still_linux(vmlinuz_lz4: Path, tmp_path: Path) -> None:
    assert "linux" == guest_of(vmlinuz_lz4, tmp_path)


def test_a_32_bit_linux_has_its_own_row() -> None:
    found = [recognize([], (linux.PARSER,), bits) for bits in (64, 32)]

    assert [linux.LINUX, linux.LINUX_32] == found


def test_only_the_first_notes_are_read() -> None:
    many = [("GNU", 1, b"")] * 1000

    assert OTHER is recognize([*many, ("Xen", 6, b"FreeBSD\0")], (), 64)
    assert "" == table.guest_os([*many, ("Xen", 7, b"FreeBSD\0")])
