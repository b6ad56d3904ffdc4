from collections.abc import Container
from contextlib import closing
from pathlib import Path

import pytest

from pvhdbg.errors import UserError
from pvhdbg.image.facts import facts_of
from pvhdbg.image.header import Buffer, map_file
from pvhdbg.image.preflight import MULTIBOOT, PVH, Machine, Preflight, preflight
from pvhdbg.image.verdict import FATAL, WARNING
from tests.image.builder import CODE, ENTRY, elf, load, note, notes
from tests.image.crafted import BUILD_ID, CRAFTED, GOOD, MULTIBOOT1, MULTIBOOT2, WALL, Crafted
from tests.image.real_qemu import entered, what_qemu_does

# What QEMU 7.2 says where a verdict foretold that it refuses; `signal N` where it dies.
REFUSALS = {
    "multiboot": "Cannot load x86-64 image",
    "linux-protocol": "invalid kernel header",
    "machine-without-pvh": "invalid kernel header",
    "elf-flags": "elfboot unsupported flags",
    "not-x86": "Error while loading elf kernel",
    "segments-overlap": "regions are overlapping",
    "note-align-zero": "signal 8",
    "note-align": "without PVH ELF Note",
    "note-not-in-segment": "without PVH ELF Note",
    "notes-zeroed": "without PVH ELF Note",
    "entry-zero": "without PVH ELF Note",
    "no-note": "without PVH ELF Note",
}
# mov %cr4, %eax; or $X86_CR4_PAE, %eax; mov %eax, %cr4
SETS_PAE = b"\x0f\x20\xe0\x83\xc8\x20\x0f\x22\xe0"


def flown(data: Buffer, machine: Machine | None = None, symbols: Container[str] = ()) -> Preflight:
    return preflight(facts_of(data, "kernel"), data, machine, symbols)


def slugs(data: bytes, machine: Machine | None = None, symbols: Container[str] = ()) -> tuple[str, ...]:
    return tuple(each.slug for each in flown(data, machine, symbols).verdicts)


def severity(data: bytes, machine: Machine) -> str:
    (verdict,) = flown(data, machine).verdicts
    return verdict.severity


@pytest.mark.parametrize("crafted", CRAFTED.values(), ids=CRAFTED)
def test_every_crafted_file_gets_its_verdicts_and_no_other(crafted: Crafted) -> None:
    found = flown(crafted.data, Machine(crafted.machine))

    assert (crafted.slugs, crafted.entry) == (tuple(each.slug for each in found.verdicts), found.entry)


@pytest.mark.parametrize("crafted", CRAFTED.values(), ids=CRAFTED)
def test_qemu_does_with_every_crafted_file_what_preflight_says(crafted: Crafted, tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(crafted.data)

    found = flown(crafted.data, Machine(crafted.machine))
    expected = entered(crafted.multiboot if found.way == MULTIBOOT else found.entry)
    if found.fatal and found.way != MULTIBOOT:
        expected = REFUSALS[found.fatal[0].slug]

    assert expected in what_qemu_does(path, crafted.machine)


def test_every_verdict_says_what_to_do_in_one_line() -> None:
    verdicts = [each for crafted in CRAFTED.values() for each in flown(crafted.data, Machine(crafted.machine)).verdicts]

    assert [] == [each for each in verdicts if not each.hint or "\n" in each.message + each.hint]


def test_a_fatal_verdict_is_what_keeps_qemu_from_the_pvh_entry() -> None:
    ways = {name: flown(crafted.data, Machine(crafted.machine)) for name, crafted in CRAFTED.items()}
    astray = {name for name, found in ways.items() if found.way != PVH}
    fatal = {name for name, found in ways.items() if found.fatal}

    assert astray | {"for ARM", "overlapping segments"} == fatal


def test_the_message_of_a_missed_note_names_entry_and_alignment() -> None:
    (verdict,) = flown(CRAFTED["p_align 8, padded to 4"].data).verdicts

    assert ("0x100000" in verdict.message, "p_align of their segment is 8" in verdict.message) == (True, True)


def test_an_owner_cannot_send_escape_sequences() -> None:
    (verdict,) = flown(elf([load(), notes(note(owner=b"\x1b[31m\0"))])).verdicts

    assert "owner-not-xen" == verdict.slug
    assert r'a note of owner "\x1b[31m" at' in verdict.message


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (ENTRY + len(CODE) - 1, ()),
        (ENTRY + len(CODE), ("entry-zeros",)),
        (ENTRY + 0x1000, ("entry-outside",)),
        (ENTRY - 1, ("entry-outside",)),
    ],
)
def test_an_entry_must_be_where_something_is_loaded(entry: int, expected: tuple[str, ...]) -> None:
    assert expected == slugs(elf([load(memsz=0x1000), notes(note(entry))]))


def test_an_entry_at_a_link_address_is_outside() -> None:
    data = elf([load(vaddr=0x40000000), notes(note(0x40000000))])

    assert ("entry-outside",) == slugs(data)


@pytest.mark.parametrize(("memory", "expected"), [(ENTRY + len(CODE), ()), (ENTRY + len(CODE) - 1, ("beyond-memory",))])
def test_what_is_loaded_must_fit_the_machines_memory(memory: int, expected: tuple[str, ...]) -> None:
    assert expected == slugs(GOOD, Machine(memory=memory))


def test_a_segment_with_more_bytes_than_room_is_fatal() -> None:
    assert ("segment-sizes",) == slugs(elf([load(memsz=len(CODE) - 1), notes(note())]))


@pytest.mark.parametrize(
    ("machine", "firmware", "expected"),
    [
        ("pc", None, FATAL),
        ("q35", None, FATAL),
        ("pc-q35-7.2,accel=tcg", None, FATAL),
        ("microvm", "seabios", FATAL),
        ("microvm", None, WARNING),
    ],
)
def test_a_command_line_that_overruns_pvh_bins_buffer_is_named(
    machine: str, firmware: str | None, expected: str
) -> None:
    assert expected == severity(GOOD, Machine(machine, b"x" * 4097, firmware=firmware))


@pytest.mark.parametrize(
    "machine", [Machine("q35", b"x" * 4096), Machine("microvm,acpi=off", b"x" * 70000, firmware="qboot")]
)
def test_a_command_line_that_fits_is_fine(machine: Machine) -> None:
    assert () == slugs(GOOD, machine)


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("pc-3.1", False),
        ("pc-i440fx-2.12,accel=kvm", False),
        ("type=pc-q35-3.0", False),
        ("pc-q35-4.0", True),
        ("pc-i440fx-10.2", True),
        ("isapc", True),
        ("microvm", True),
    ],
)
def test_machine_types_from_before_4_0_have_no_pvh(machine: str, *, expected: bool) -> None:
    assert expected == Machine(machine).has_pvh


@pytest.mark.parametrize(
    ("symbols", "code", "expected"),
    [
        ({"initial_page_table"}, SETS_PAE, ("without-pae",)),
        ({"initial_page_table", "initial_pg_pmd"}, SETS_PAE, ()),
        ({"initial_page_table"}, b"", ()),
        (set(), SETS_PAE, ()),
    ],
)
def test_a_32_bit_linux_without_pae_that_turns_it_on_is_named(
    symbols: set[str], code: bytes, expected: tuple[str, ...]
) -> None:
    data = elf([load(bytes(64) + code.ljust(16)), notes(note())], bits=32)

    assert expected == slugs(data, None, symbols)


def test_a_scan_that_may_find_anything_is_a_warning_where_there_is_an_entry() -> None:
    (verdict,) = flown(elf([load(), notes(note(), WALL, filesz=20), notes(BUILD_ID)])).verdicts

    assert ("note-scan-lost", WARNING) == (verdict.slug, verdict.severity)


def test_a_scan_that_may_find_anything_is_fatal_where_there_is_none() -> None:
    found = flown(elf([load(), notes(BUILD_ID)]))

    assert ["no-note", "note-scan-lost"] == [each.slug for each in found.fatal]


def test_a_multiboot_2_header_is_no_way_in() -> None:
    (verdict,) = flown(elf([load(CODE + MULTIBOOT2)])).verdicts

    assert ("no-note", True) == (verdict.slug, "multiboot 2" in verdict.hint)


def test_a_multiboot_header_too_far_behind_is_named() -> None:
    (verdict,) = flown(elf([load(CODE.ljust(8192) + MULTIBOOT1)])).verdicts

    assert ("no-note", True) == (verdict.slug, "not in the first 8192 bytes" in verdict.hint)


def test_a_linux_without_the_note_is_told_its_option() -> None:
    (verdict,) = flown(elf([load(CODE + b"Linux version 6.1.0 (me)")])).verdicts

    assert ("no-note", "build the kernel with CONFIG_PVH=y") == (verdict.slug, verdict.hint)


def test_real_kernels_have_nothing_against_them(debian_vmlinux: Path) -> None:
    with closing(map_file(str(debian_vmlinux))) as data:
        found = flown(data)

    assert (PVH, ()) == (found.way, found.verdicts)


def test_grub_has_nothing_against_it(grub_image: Path) -> None:
    found = flown(grub_image.read_bytes())

    assert (PVH, 0x100000, ()) == (found.way, found.entry, found.verdicts)


def test_what_is_no_elf_file_is_an_error() -> None:
    with pytest.raises(UserError, match="not an ELF file"):
        preflight(facts_of(GOOD, "kernel"), b"MZ", None)
