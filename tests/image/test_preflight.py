import re
from collections.abc import Container
from contextlib import closing
from pathlib import Path

import pytest

from pvhdbg.errors import UserError
from pvhdbg.image.facts import parse_facts
from pvhdbg.image.file import Buffer, open_file
from pvhdbg.image.preflight import MULTIBOOT, PVH, Machine, Preflight, preflight
from pvhdbg.image.verdicts.verdict import FATAL, WARNING
from tests.image.builder import CODE, E_ENTRY, ENTRY, Symbol, elf, load, note, notes, raw_note, symbol_sections
from tests.image.crafted import BUILD_ID, CRAFTED, GOOD, MULTIBOOT1, UD2, WALL, Crafted
from tests.image.real_qemu import entered, run_qemu

# What QEMU 7.2 prints when it refuses a file as the verdict predicts, or `signal N` if a signal kills QEMU.
REFUSALS = {
    "multiboot-64": "Cannot load x86-64 image",
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
    "note-in-progbits": "without PVH ELF Note",
    "note-damaged": "without PVH ELF Note",
    "note-shifted": "without PVH ELF Note",
    "multiboot-too-deep": "without PVH ELF Note",
    "multiboot2": "without PVH ELF Note",
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


def machine_of(crafted: Crafted) -> Machine:
    return Machine(crafted.machine, firmware=crafted.firmware)


@pytest.mark.parametrize("crafted", CRAFTED.values(), ids=CRAFTED)
def test_a_crafted_file_gets_exactly_its_verdicts(crafted: Crafted) -> None:
    result = predict(crafted.data, machine_of(crafted))

    assert (crafted.slugs, crafted.entry) == (tuple(verdict.slug for verdict in result.verdicts), result.entry)


@pytest.mark.parametrize("crafted", CRAFTED.values(), ids=CRAFTED)
def test_qemu_does_what_preflight_predicts(crafted: Crafted, tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(crafted.data)

    result = predict(crafted.data, machine_of(crafted))
    expected = entered(crafted.multiboot if result.boot_protocol == MULTIBOOT else result.entry)
    if crafted.result is not None:
        expected = crafted.result
    elif result.fatal and result.boot_protocol != MULTIBOOT:
        expected = REFUSALS[result.fatal[0].slug]

    assert expected in run_qemu(path, crafted.machine, crafted.firmware)


def test_every_verdict_has_a_hint_and_fits_on_one_line() -> None:
    results = [predict(crafted.data, machine_of(crafted)) for crafted in CRAFTED.values()]
    verdicts = [verdict for result in results for verdict in result.verdicts]

    assert [] == [verdict for verdict in verdicts if not verdict.hint or "\n" in verdict.message + verdict.hint]


def test_a_verdict_begins_with_the_defect_in_at_most_twelve_words_and_is_ascii() -> None:
    results = [predict(crafted.data, machine_of(crafted)) for crafted in CRAFTED.values()]
    verdicts = {verdict.slug: verdict for result in results for verdict in result.verdicts}
    long = {slug for slug, verdict in verdicts.items() if len(re.split(r"[:.] ", verdict.message)[0].split()) > 12}

    assert set() == long
    assert [] == [it.slug for it in verdicts.values() if not (it.message + it.hint).isascii()]
    assert [] == [it.slug for it in verdicts.values() if len(it.message + it.hint) > 300]


def test_a_file_that_qemu_does_not_boot_by_pvh_has_a_fatal_verdict() -> None:
    results = {name: predict(crafted.data, machine_of(crafted)) for name, crafted in CRAFTED.items()}
    not_by_pvh = {name for name, result in results.items() if result.boot_protocol != PVH}
    fatal = {name for name, result in results.items() if result.fatal}

    assert set() == not_by_pvh - fatal
    assert {"for ARM", "overlapping segments"} < fatal


# The fields of the first verdict on some crafted files. Offsets are offsets in the file.
FIELDS: dict[str, dict[str, int | str]] = {
    "p_align 8, padded to 4": {"offset": 404, "align": 8, "entry": ENTRY},
    "p_align 8, read shifted": {"offset": 368, "align": 8, "entry": ENTRY, "read": 0},
    "p_align 8, shifted to another entry": {"offset": 368, "align": 8, "entry": ENTRY, "read": 4},
    "a name without its NUL": {"offset": 368, "read": ENTRY, "namesz": 3},
    "a note past the end of its segment": {
        "offset": 368,
        "namesz": 4,
        "descsz": 64,
        "unread": 64,
        "entry_note": 400,
    },
    "a damaged note after the right one": {
        "offset": 388,
        "namesz": 0x3F3F3F3F,
        "descsz": 0x3F3F3F3F,
        "unread": 64,
    },
    "a note in a PROGBITS section": {"offset": 320, "entry": ENTRY, "section": ".note.Xen"},
    "a note among other data of a PROGBITS section": {"offset": 340, "entry": ENTRY, "section": ".rodata"},
    "a note in no section and no PT_NOTE": {"offset": 320, "entry": ENTRY},
    "entry 4 GiB": {"offset": 368, "value": 1 << 32, "read": 0},
    "multiboot, 64 bit": {"offset": 368, "flags": 0},
    "multiboot after 8 KiB, no note": {"offset": 8288, "searched": 8192},
    "multiboot 2, no note": {"offset": 384},
    "linked and loaded high": {"paddr": 0xC0100000, "end": 0xC01000C0, "suggested": ENTRY},
    "linked and loaded in the upper half": {
        "paddr": 0xFFFFFFFF80100000,
        "end": 0xFFFFFFFF801000C0,
        "suggested": ENTRY,
    },
    "loaded elsewhere than linked": {"entry": ENTRY, "distance": 0x100000, "paddr": 0x200000, "linked": ENTRY},
    "moved with its link addresses": {"entry": 0x80080, "distance": 0x80000, "paddr": ENTRY, "linked": 0x80000},
    "a segment in the PCI hole": {
        "paddr": 0xE1000000,
        "vaddr": 0x200000,
        "end": 0xE1001000,
        "limit": 0xE0000000,
    },
    "a segment above 4 GiB": {"paddr": 1 << 32, "vaddr": 0x200000, "end": (1 << 32) + 0x1000},
    "over the ROMs of a q35": {"paddr": 0xC8000, "end": 0xC80C0, "taken": 0xA0000},
    "outside every segment": {"entry": ENTRY + 0x1000, "low": ENTRY + 0x2000, "high": 0x2000C0},
}


@pytest.mark.parametrize(("name", "fields"), FIELDS.items())
def test_a_verdict_has_the_numbers_on_which_it_is_based(name: str, fields: dict[str, int | str]) -> None:
    crafted = CRAFTED[name]

    assert fields == predict(crafted.data, machine_of(crafted)).verdicts[0].fields


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("p_align 8, read shifted", "-Wa,-mx86-used-note=no"),
        ("p_align 8, shifted to another entry", "`.balign 4`"),
        ("linked and loaded high", "`.text : AT(ADDR(.text) - 0xc0000000) { *(.text*) }`"),
        ("a segment in the PCI hole", "`.text : AT(ADDR(.text)) { *(.text*) }`"),
        ("loaded elsewhere than linked", "`. = 0x200000;`"),
        ("a note in a PROGBITS section", '`.section .note.Xen, "a", @note`'),
        ("only in a section", "`PHDRS { text PT_LOAD; note PT_NOTE; }`"),
    ],
)
def test_the_hint_has_the_line_that_fixes_the_file(name: str, fix: str) -> None:
    assert fix in predict(CRAFTED[name].data).verdicts[0].hint


def test_escape_sequences_in_a_notes_owner_are_escaped() -> None:
    (verdict,) = predict(elf([load(), notes(note(owner=b"\x1b[31m\0"))])).verdicts

    assert "owner-not-xen" == verdict.slug
    assert r'the owner of the note is "\x1b[31m", not Xen' in verdict.message


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


@pytest.mark.parametrize(
    ("vaddr", "entry", "size"),
    [
        (0x40000000, 0x40000000, 4),
        (0xC0100000, 0xC0100004, 4),
        (0xFFFFFFFF80100000, 0xFFFFFFFF80100000, 8),
        (0xFFFFFFFF80100000, 0x80100000, 4),
    ],
)
def test_an_entry_that_is_a_link_address_is_reported_with_its_physical_address(
    vaddr: int, entry: int, size: int
) -> None:
    (verdict,) = predict(elf([load(vaddr=vaddr), notes(note(entry, size=size))])).verdicts
    linked = vaddr + entry % 0x10

    assert ("entry-is-vaddr", {"entry": entry, "paddr": ENTRY + entry % 0x10, "vaddr": linked}) == (
        verdict.slug,
        verdict.fields,
    )


def test_a_kernel_that_fits_into_a_larger_machine_gets_its_size() -> None:
    (verdict,) = predict(elf([load(paddr=0x8000000), notes(note(0x8000000))]), Machine("q35", memory=64 << 20)).verdicts

    assert "beyond-memory" == verdict.slug
    assert "at least 129 MiB with -m" in verdict.hint


def test_a_segment_of_notes_alone_need_not_be_in_memory(tmp_path: Path) -> None:
    both = [load(note(), paddr=0x8048000), notes(note(), filesz=20)]
    offset = elf([load(), *both]).index(note())
    data = elf([load(), both[0], both[1]._replace(offset=offset)])
    (tmp_path / "kernel").write_bytes(data)

    assert () == slugs(data, Machine("q35", memory=64 << 20))
    assert entered(ENTRY) == run_qemu(tmp_path / "kernel", "q35")


@pytest.mark.parametrize(("memory", "severity"), [(64 << 20, FATAL), (None, WARNING), (8 << 30, WARNING)])
def test_a_segment_above_4_gib_is_fatal_if_the_machine_has_no_ram_there(memory: int | None, severity: str) -> None:
    (verdict,) = predict(CRAFTED["a segment above 4 GiB"].data, Machine("q35", memory=memory)).verdicts

    assert ("segment-above-4g", severity) == (verdict.slug, verdict.severity)


def test_a_kernel_with_a_relocation_note_was_not_moved_by_mistake() -> None:
    reloc = raw_note(b"Xen\0", 19, bytes(12))
    data = elf([load(paddr=0x200000, vaddr=ENTRY), notes(note(), reloc)])

    assert ("entry-is-vaddr",) == slugs(data)


def test_independent_fatal_problems_are_all_reported_the_root_cause_first() -> None:
    data = elf([load(CODE + MULTIBOOT1), load(UD2, paddr=1 << 32), notes(note(1 << 32, size=8))])

    assert ("multiboot-64", "entry-too-big", "paddr-is-vaddr") == slugs(data)


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


def test_a_scan_past_the_notes_that_finds_no_entry_is_explained_by_the_missing_note() -> None:
    assert ("no-note",) == slugs(elf([load(), notes(BUILD_ID)]))


def test_a_linux_without_the_note_gets_its_config_option_as_hint() -> None:
    (verdict,) = predict(elf([load(CODE + b"Linux version 6.1.0 (me)")])).verdicts

    assert ("no-note", "build the kernel with CONFIG_PVH=y") == (verdict.slug, verdict.hint)


def test_a_linux_that_lost_its_note_gets_no_hint_to_build_it_again() -> None:
    symbols = symbol_sections([Symbol("xen_prepare_pvh", ENTRY, 16)])
    (verdict,) = predict(elf([load(CODE + b"Linux version 6.1.0 (me)")], symbols)).verdicts

    assert "no-note" == verdict.slug
    assert verdict.hint.startswith("keep the notes when stripping or converting the file: this kernel was built with")


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


def test_the_vmm_whose_handover_is_imitated_has_verdicts_that_do_not_keep_qemu_from_starting_the_file() -> None:
    low = GOOD.replace(E_ENTRY.to_bytes(8, "little"), bytes(8), 1)
    qemu, firecracker = (predict(low, Machine(vmm=name)) for name in ("qemu", "firecracker"))

    assert () == qemu.by_vmm
    assert (PVH, ()) == (firecracker.boot_protocol, firecracker.fatal)
    assert ["vmm-entry-low"] == [verdict.slug for verdict in firecracker.by_vmm]
    assert firecracker.by_vmm == firecracker.apply_to(parse_facts(low, "kernel")).verdicts


@pytest.mark.parametrize(("size", "is_refused"), [(2047, False), (2048, True)])
def test_a_command_line_that_the_vmm_refuses_cannot_be_forced(size: int, is_refused: bool) -> None:
    result = predict(GOOD, Machine(append=b"x" * size, vmm="firecracker", firmware="qboot"))

    assert (["vmm-command-line"] if is_refused else []) == [verdict.slug for verdict in result.fatal]
    assert is_refused != result.can_be_forced
