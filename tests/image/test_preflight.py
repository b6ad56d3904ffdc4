from collections.abc import Container
from contextlib import closing
from pathlib import Path

import pytest

from pvhdbg.errors import UserError
from pvhdbg.image.facts import parse_facts
from pvhdbg.image.file import Buffer, open_file
from pvhdbg.image.preflight import MULTIBOOT, PVH, Machine, Preflight, preflight
from pvhdbg.image.verdict import FATAL, WARNING
from tests.image.builder import CODE, ENTRY, elf, load, note, notes
from tests.image.crafted import BUILD_ID, CRAFTED, GOOD, MULTIBOOT1, MULTIBOOT2, WALL, Crafted
from tests.image.real_qemu import entered, run_qemu

# What QEMU 7.2 prints when it refuses a file as the verdict predicts, or `signal N` if a signal kills QEMU.
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


def predict(data: Buffer, machine: Machine | None = None, symbols: Container[str] = ()) -> Preflight:
    return preflight(parse_facts(data, "kernel"), data, machine, symbols)


def slugs(data: bytes, machine: Machine | None = None, symbols: Container[str] = ()) -> tuple[str, ...]:
    return tuple(verdict.slug for verdict in predict(data, machine, symbols).verdicts)


def severity(data: bytes, machine: Machine) -> str:
    (verdict,) = predict(data, machine).verdicts
    return verdict.severity


@pytest.mark.parametrize("crafted", CRAFTED.values(), ids=CRAFTED)
def test_a_crafted_file_gets_exactly_its_verdicts(crafted: Crafted) -> None:
    result = predict(crafted.data, Machine(crafted.machine))

    assert (crafted.slugs, crafted.entry) == (tuple(verdict.slug for verdict in result.verdicts), result.entry)


@pytest.mark.parametrize("crafted", CRAFTED.values(), ids=CRAFTED)
def test_qemu_does_what_preflight_predicts(crafted: Crafted, tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(crafted.data)

    result = predict(crafted.data, Machine(crafted.machine))
    expected = entered(crafted.multiboot if result.boot_protocol == MULTIBOOT else result.entry)
    if result.fatal and result.boot_protocol != MULTIBOOT:
        expected = REFUSALS[result.fatal[0].slug]

    assert expected in run_qemu(path, crafted.machine)


def test_every_verdict_has_a_hint_and_fits_on_one_line() -> None:
    results = [predict(crafted.data, Machine(crafted.machine)) for crafted in CRAFTED.values()]
    verdicts = [verdict for result in results for verdict in result.verdicts]

    assert [] == [verdict for verdict in verdicts if not verdict.hint or "\n" in verdict.message + verdict.hint]


def test_a_file_that_qemu_does_not_boot_by_pvh_has_a_fatal_verdict() -> None:
    results = {name: predict(crafted.data, Machine(crafted.machine)) for name, crafted in CRAFTED.items()}
    not_by_pvh = {name for name, result in results.items() if result.boot_protocol != PVH}
    fatal = {name for name, result in results.items() if result.fatal}

    assert not_by_pvh | {"for ARM", "overlapping segments"} == fatal


def test_the_verdict_on_a_missed_note_shows_the_entry_and_the_alignment() -> None:
    (verdict,) = predict(CRAFTED["p_align 8, padded to 4"].data).verdicts

    assert ("0x100000" in verdict.message, "p_align of their segment is 8" in verdict.message) == (True, True)


def test_escape_sequences_in_a_notes_owner_are_escaped() -> None:
    (verdict,) = predict(elf([load(), notes(note(owner=b"\x1b[31m\0"))])).verdicts

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
def test_the_entry_must_be_inside_the_loaded_part_of_a_segment(entry: int, expected: tuple[str, ...]) -> None:
    assert expected == slugs(elf([load(memsz=0x1000), notes(note(entry))]))


def test_an_entry_that_is_a_link_address_is_outside_every_segment() -> None:
    data = elf([load(vaddr=0x40000000), notes(note(0x40000000))])

    assert ("entry-outside",) == slugs(data)


@pytest.mark.parametrize(("memory", "expected"), [(ENTRY + len(CODE), ()), (ENTRY + len(CODE) - 1, ("beyond-memory",))])
def test_the_segments_must_fit_into_the_machines_memory(memory: int, expected: tuple[str, ...]) -> None:
    assert expected == slugs(GOOD, Machine(memory=memory))


def test_a_segment_with_filesz_above_memsz_is_fatal() -> None:
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
def test_a_command_line_that_overruns_pvh_bins_buffer_is_reported(
    machine: str, firmware: str | None, expected: str
) -> None:
    assert expected == severity(GOOD, Machine(machine, b"x" * 4097, firmware=firmware))


@pytest.mark.parametrize(
    "machine", [Machine("q35", b"x" * 4096), Machine("microvm,acpi=off", b"x" * 70000, firmware="qboot")]
)
def test_a_command_line_that_fits_gets_no_verdict(machine: Machine) -> None:
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
def test_pc_machine_types_before_4_0_have_no_pvh(machine: str, *, expected: bool) -> None:
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
def test_a_32_bit_linux_without_pae_that_sets_cr4_pae_is_reported(
    symbols: set[str], code: bytes, expected: tuple[str, ...]
) -> None:
    data = elf([load(bytes(64) + code.ljust(16)), notes(note())], bits=32)

    assert expected == slugs(data, None, symbols)


def test_a_scan_past_the_notes_is_a_warning_if_an_entry_was_found() -> None:
    (verdict,) = predict(elf([load(), notes(note(), WALL, filesz=20), notes(BUILD_ID)])).verdicts

    assert ("note-scan-lost", WARNING) == (verdict.slug, verdict.severity)


def test_a_scan_past_the_notes_is_fatal_if_no_entry_was_found() -> None:
    result = predict(elf([load(), notes(BUILD_ID)]))

    assert ["no-note", "note-scan-lost"] == [verdict.slug for verdict in result.fatal]


def test_a_multiboot_2_header_does_not_replace_the_note() -> None:
    (verdict,) = predict(elf([load(CODE + MULTIBOOT2)])).verdicts

    assert ("no-note", True) == (verdict.slug, "multiboot 2" in verdict.hint)


def test_the_hint_mentions_a_multiboot_header_that_is_too_far_into_the_file() -> None:
    (verdict,) = predict(elf([load(CODE.ljust(8192) + MULTIBOOT1)])).verdicts

    assert ("no-note", True) == (verdict.slug, "only in the first 8192 bytes" in verdict.hint)


def test_a_linux_without_the_note_gets_its_config_option_as_hint() -> None:
    (verdict,) = predict(elf([load(CODE + b"Linux version 6.1.0 (me)")])).verdicts

    assert ("no-note", "build the kernel with CONFIG_PVH=y") == (verdict.slug, verdict.hint)


def test_real_kernels_get_no_verdicts(debian_vmlinux: Path) -> None:
    with closing(open_file(str(debian_vmlinux))) as data:
        result = predict(data)

    assert (PVH, ()) == (result.boot_protocol, result.verdicts)


def test_grub_gets_no_verdicts(grub_image: Path) -> None:
    result = predict(grub_image.read_bytes())

    assert (PVH, 0x100000, ()) == (result.boot_protocol, result.entry, result.verdicts)


def test_a_file_that_is_not_elf_is_an_error() -> None:
    with pytest.raises(UserError, match="not an ELF file"):
        preflight(parse_facts(GOOD, "kernel"), b"MZ", None)
