"""What a VMM does with a file, by the rules of its loader. Each rule has a file that breaks it, and a similar one."""

from pathlib import Path

import pytest

from pvhdbg.abi.e820 import MEMMAP, RAM, MapEntry
from pvhdbg.image.facts import read_facts
from pvhdbg.image.header import read_elf
from pvhdbg.image.verdicts.verdict import FATAL, WARNING
from pvhdbg.image.vmm_loaders.prediction import Prediction, predict, predict_file, structures
from pvhdbg.vmm_profiles import rust_vmm
from pvhdbg.vmm_profiles.profile import ALIOTH, GOKVM, LINUX_LOADER, OPENVMM, Boot, Layout, Loader, Places, Profile
from tests.image import builder
from tests.image.builder import E_ENTRY, ENTRY, Segment, elf, load, note

MIB = 1 << 20
GOOD = [load(), builder.notes(note())]
PLACES = Places(0x6000, 0x6040, 0x7000, 0x20000, None, 0xE0000, 0x9FC00)
LAYOUT = Layout(
    version=1,
    flags=0,
    map_form=MEMMAP,
    places=lambda _: PLACES,
    memory_map=lambda boot: (MapEntry(0, boot.ram_size, RAM),),
    cmdline_room=2048,
    rsdp_paddr=0,
    cpu=rust_vmm.cpu(0x11),
    tables=rust_vmm.TABLES,
)


def vmm(loader: Loader | None) -> Profile:
    return Profile("example", "Example", "1", "0", "", (), LAYOUT, loader=loader)


BOOT = Boot(64 * MIB, 1, None)


def prediction(segments: list[Segment], loader: Loader, *, boot: Boot = BOOT, has_memory: bool = False) -> Prediction:
    result = predict(vmm(loader), read_elf(elf(segments), "kernel"), boot, has_memory=has_memory)
    assert result is not None
    return result


def slugs(
    segments: list[Segment], loader: Loader, *, boot: Boot = BOOT, has_memory: bool = False
) -> list[tuple[str, str]]:
    result = prediction(segments, loader, boot=boot, has_memory=has_memory)
    assert all(verdict.fields["vmm"] == "example" for verdict in result.verdicts)
    assert (result.entry is None) == bool(result.fatal)
    return [(verdict.slug, verdict.severity) for verdict in result.verdicts]


def test_a_good_file_is_entered_at_the_address_in_its_note() -> None:
    assert (ENTRY, ()) == prediction(GOOD, Loader(LINUX_LOADER, "x"))[2:]


def test_a_profile_without_loader_rules_predicts_nothing() -> None:
    assert predict(vmm(None), read_elf(elf(GOOD), "kernel"), BOOT) is None


def test_what_a_vmm_does_without_a_note_is_not_what_it_does_with_a_file_that_it_cannot_read() -> None:
    loader = Loader(LINUX_LOADER, "x", without_note="it enters the kernel at e_entry")
    without, short = prediction([load()], loader), prediction([load(), builder.notes(note(1, size=2))], loader)

    assert "the file has no PT_NOTE segment; it enters the kernel at e_entry" in without.verdicts[0].message
    assert "the note's descriptor has the wrong size; it refuses the file" in short.verdicts[0].message
    assert [("vmm-no-entry", FATAL)] * 2 == [(it.verdicts[0].slug, it.verdicts[0].severity) for it in (without, short)]


@pytest.mark.parametrize(("limit", "expected"), [(E_ENTRY, []), (E_ENTRY + 1, [("vmm-entry-low", FATAL)])])
def test_e_entry_must_not_be_below_the_limit(limit: int, expected: list[tuple[str, str]]) -> None:
    assert expected == slugs(GOOD, Loader(LINUX_LOADER, "x", lowest_e_entry=limit))


def test_an_entry_outside_of_the_segments_is_refused_or_entered_in_vain() -> None:
    segments = [load(), builder.notes(note(0x200000))]
    messages = [
        prediction(segments, Loader(LINUX_LOADER, "x", entry_in_segment=value)).verdicts[0].message
        for value in (True, False)
    ]

    assert [("vmm-entry-outside", FATAL)] == slugs(segments, Loader(LINUX_LOADER, "x"))
    assert [True, False] == ["refuses the file" in message for message in messages]


@pytest.mark.parametrize(("limit", "expected"), [(ENTRY, []), (ENTRY + 1, [("vmm-segment-low", FATAL)])])
def test_a_segment_must_not_be_below_the_limit(limit: int, expected: list[tuple[str, str]]) -> None:
    assert expected == slugs(GOOD, Loader(OPENVMM, "x", lowest_segment=limit))


@pytest.mark.parametrize(("paddr", "expected"), [(ENTRY + 0x1000, []), (ENTRY + 0xF00, [("vmm-shared-page", FATAL)])])
def test_two_segments_must_not_share_a_page(paddr: int, expected: list[tuple[str, str]]) -> None:
    segments = [*GOOD, load(b"more", paddr=paddr)]

    assert expected == slugs(segments, Loader(OPENVMM, "x", own_pages=True))
    assert [] == slugs(segments, Loader(OPENVMM, "x"))


def test_a_segment_needs_ram_which_may_have_a_hole() -> None:
    hole = Loader(LINUX_LOADER, "x", holes=((32 * MIB, 48 * MIB),))
    before, inside, after = (load(b"more", paddr=paddr * MIB - 4) for paddr in (32, 40, 80))
    beyond = load(b"more", paddr=80 * MIB)
    no_ram = [("vmm-no-ram", FATAL)]

    assert [[], no_ram, [], []] == [slugs([*GOOD, it], hole) for it in (before, inside, after, beyond)]
    assert [[], no_ram, [], no_ram] == [
        slugs([*GOOD, it], hole, has_memory=True) for it in (before, inside, after, beyond)
    ]


def test_some_vmms_load_the_bytes_of_a_note_segment_too() -> None:
    segments = [load(), Segment(builder.PT_NOTE, note(), paddr=2 << 30)]
    holes = ((2 << 30, 4 << 30),)

    assert [] == slugs(segments, Loader(ALIOTH, "x", holes=holes))
    assert [("vmm-no-ram", FATAL)] == slugs(segments, Loader(ALIOTH, "x", holes=holes, every_segment=True))


@pytest.mark.parametrize(("size", "expected"), [(2048, []), (2049, [("vmm-command-line", FATAL)])])
def test_a_command_line_may_be_as_long_as_its_room(size: int, expected: list[tuple[str, str]]) -> None:
    assert expected == slugs(GOOD, Loader(LINUX_LOADER, "x"), boot=Boot(64 * MIB, size, None))


@pytest.mark.parametrize(
    ("paddr", "size", "structure"),
    [
        (0x6000, 1, "start_info"),
        (0x6038, 4, None),
        (0x7017, 1, "the memory map"),
        (0x7018, 1, None),
        (0x20000, 1, "the command line"),
        (0x20001, 1, None),
        (0xE0023, 1, "the RSDP"),
        (0x51F, 1, "the GDT"),
        (0x520, 1, "the IDT"),
        (0x528, 1, None),
    ],
)
def test_a_structure_must_not_share_memory_with_a_segment(paddr: int, size: int, structure: str | None) -> None:
    segments = [*GOOD, load(bytes(size), paddr=paddr)]
    found = prediction(segments, Loader(LINUX_LOADER, "x")).verdicts

    assert ([structure] if structure else []) == [verdict.fields["structure"] for verdict in found]
    assert {("vmm-overlap", WARNING)} >= {(verdict.slug, verdict.severity) for verdict in found}


def test_a_kernel_overwrites_what_the_vmm_writes_before_it_loads_the_kernel() -> None:
    segments = [*GOOD, load(b"more", paddr=0x500)]
    later, earlier = (
        prediction(segments, Loader(GOKVM, "x", before=before)).verdicts[0].message for before in ((), ("the GDT",))
    )

    assert "Example writes the GDT over the kernel at 0x500" in later
    assert "the kernel is loaded over the GDT of Example at 0x500" in earlier


def test_only_a_boot_with_an_initrd_has_a_module_list() -> None:
    names = [[name for name, _, _ in structures(LAYOUT, Boot(64 * MIB, 1, size))] for size in (None, 4096)]

    assert [False, True] == ["the module list" in it for it in names]


def test_every_vmm_with_a_loader_is_predicted_for_a_real_kernel(debian_vmlinux: Path) -> None:
    facts = read_facts(str(debian_vmlinux))
    predictions = predict_file(facts)

    assert predictions
    for it in predictions:
        is_refused = facts.elf_class == 32 and it.name not in ("gokvm", "xen-domu", "xen-dom0", "rfc2017")
        assert (None if is_refused else facts.entry) == it.entry, it
