"""The text and the JSON of `inspect`, for real files and for invented values."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from pvhdbg import guest
from pvhdbg.image.elf import inspect
from pvhdbg.image.facts import Note
from pvhdbg.image.load import open_kernel
from pvhdbg.image.multiboot import Multiboot
from pvhdbg.image.notes import NO_NOTE, Scan
from pvhdbg.image.preflight import NONE, PVH, Preflight, preflight_file
from pvhdbg.image.verdicts.verdict import FATAL, Verdict
from pvhdbg.image.vmm_loaders.prediction import predict_file
from pvhdbg.views.inspection import InspectedFile, ProgramHeader, SectionHeader, stage_symbols
from pvhdbg.views.report import inspect_text
from pvhdbg.views.to_json import inspect_json
from tests import build


def inspect_file(path: Path, folder: Path) -> InspectedFile:
    kernel = open_kernel(str(path), folder)
    preflight = preflight_file(kernel.facts, symbols=kernel.symbols)
    addresses = {name: kernel.symbols.address(name) for name in stage_symbols(kernel.facts) if name in kernel.symbols}
    vmms = predict_file(kernel.facts)
    return InspectedFile(kernel.facts, inspect(kernel.facts.elf), preflight, addresses, vmms=vmms)


class Headers(NamedTuple):
    """Invented ELF headers."""

    type: str = "EXEC"
    machine: str = "x64"
    entry: int = 0
    program_headers: tuple[ProgramHeader, ...] = ()
    sections: tuple[SectionHeader, ...] = ()
    symbols: int | None = None
    has_debug_info: bool = False
    compiler: str | None = None
    config: Mapping[str, str] | None = None
    multiboot1: Multiboot | None = None
    multiboot2: Multiboot | None = None
    scans: tuple[Scan, ...] = ()


def text_of(headers: Headers, *, notes: tuple[Note, ...] = (), preflight: Preflight | None = None) -> str:
    facts = build.linux()._replace(notes=notes)
    return inspect_text.as_text(InspectedFile(facts, headers, preflight or Preflight(PVH, 0x1000850, ()), {}))


def test_a_note_type_of_more_than_two_bytes_is_hexadecimal() -> None:
    types = (0, 0x12, 0xFFFF, 0x10000, 0x46494C45)
    lines = text_of(Headers(), notes=tuple(Note("Any", number, b"") for number in types)).splitlines()

    assert ["0", "18", "65535", "0x10000", "0x46494c45"] == [line.split()[1] for line in lines if "  Any " in line]


@pytest.mark.parametrize(("count", "expected"), [(64, []), (65, ["  … and 1 more"])])
def test_the_first_64_notes_are_shown(count: int, expected: list[str]) -> None:
    lines = text_of(Headers(), notes=(Note("Any", 1, b""),) * count).splitlines()

    assert 64 == sum("  Any " in line for line in lines)
    assert expected == [line for line in lines if "more" in line]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (None, "none: see the entry by loader below"),
        (0x1000850, "0x1000850, linked at 0xffffffff81000850"),
        (0x123, "0x123, outside all segments"),
    ],
)
def test_the_entry_has_its_link_address(entry: int | None, expected: str) -> None:
    facts = build.linux()._replace(entry=entry)
    written = inspect_text.as_text(InspectedFile(facts, Headers(), Preflight(PVH, entry, ()), {}))

    assert [expected] == re.findall(r"^ *PVH entry +(.*)$", written, re.MULTILINE)


def test_the_teaching_guest_boots_via_pvh_and_has_every_stage(tmp_path: Path) -> None:
    file = inspect_file(guest.ELF, tmp_path)
    written = inspect_text.as_text(file)

    assert f"QEMU -kernel boots the file via PVH at {file.facts.entry:#x}\n" in written
    assert "no symbol" not in written
    assert re.search(f"  prepare +{file.addresses['xen_prepare_pvh']:#x} +physical 0x", written)


def test_debians_kernel_shows_its_notes_and_the_entry_of_each_loader(vmlinux_61: Path, tmp_path: Path) -> None:
    file = inspect_file(vmlinux_61, tmp_path)
    written = inspect_text.as_text(file)

    assert f"PHYS32_ENTRY              {file.facts.entry:#x}  (physical address of the PVH entry" in written
    assert 4 == written.count(f"{file.facts.entry:#x}, from the note at")
    assert "DWARF debug information" in written


def test_a_stripped_linux_hints_at_symbols_of_the_same_build(vmlinuz_lz4: Path, tmp_path: Path) -> None:
    written = inspect_text.as_text(inspect_file(vmlinuz_lz4, tmp_path))

    assert "bzimage; everything below describes the vmlinux inside it" in written
    assert "\n  pvhdbg extracts the vmlinux because QEMU boots a bzImage via the Linux boot protocol, not " in written
    assert "QEMU -kernel boots the extracted vmlinux via PVH at " in written
    assert "PVH entry of the ELF file inside, by loader\n" in written
    assert "\nthe file itself, by VMM\n  QEMU              boots it via the Linux boot protocol" in written
    assert "to get them, pass --symbols with a vmlinux of the same build-id" in written


def test_a_guest_other_than_linux_has_only_the_entry_stage(grub_image: Path, tmp_path: Path) -> None:
    written = inspect_text.as_text(inspect_file(grub_image, tmp_path))

    assert "entry           0x100000     the first instruction at the PHYS32_ENTRY address" in written
    assert "linux-loader  none: the loader supports only 64-bit ELF files" in written
    assert "--symbols" not in written


def test_a_vmm_that_does_not_start_the_file_shows_why(grub_image: Path, tmp_path: Path) -> None:
    file = inspect_file(grub_image, tmp_path)
    written, document = inspect_text.as_text(file), inspect_json.to_dict(file)

    assert re.search(r"^PVH boot under other VMMs\n  Firecracker +not started via PVH\n", written, re.MULTILINE)
    assert "fatal (vmm-no-entry): Firecracker finds no PVH entry: the loader supports only 64-bit ELF files" in written
    assert {"vmm": "firecracker", "entry": None}.items() <= document["vmms"][0].items()
    assert "vmm-no-entry" == document["vmms"][0]["verdicts"][0]["slug"]


def test_a_vmm_that_starts_the_file_shows_the_entry(vmlinux_61: Path, tmp_path: Path) -> None:
    file = inspect_file(vmlinux_61, tmp_path)

    assert re.search(rf"^  Firecracker +entered at {file.facts.entry:#x}$", inspect_text.as_text(file), re.MULTILINE)
    assert file.facts.entry == inspect_json.to_dict(file)["vmms"][0]["entry"]


def test_a_rejected_file_shows_the_verdict_and_its_hint() -> None:
    verdict = Verdict("no-note", FATAL, "no PHYS32_ENTRY note", "build the kernel with CONFIG_PVH=y")
    written = text_of(Headers(scans=(Scan("QEMU", None, NO_NOTE),)), preflight=Preflight(NONE, None, (verdict,)))

    assert (
        "QEMU -kernel rejects the file\n  fatal (no-note): no PHYS32_ENTRY note\n    hint: build the kernel" in written
    )
    assert "QEMU  none: no note is accepted as PHYS32_ENTRY" in written


def test_only_the_options_that_matter_for_a_boot_are_shown() -> None:
    written = text_of(Headers(config={"CONFIG_PVH": "y", "CONFIG_NODES_SHIFT": "10", "CONFIG_SOUND": "m"}))

    assert "CONFIG_PVH                  y" in written
    assert "CONFIG_XEN_PVH              n" in written
    assert "CONFIG_SOUND" not in written


def test_multiboot_headers_are_shown_with_their_file_offsets() -> None:
    written = text_of(Headers(multiboot1=Multiboot(0x40, 0), multiboot2=Multiboot(0x80, 0)))

    assert "multiboot  version 1 header at 0x40, version 2 header at 0x80" in written


def test_strings_of_a_file_are_escaped() -> None:
    evil = "\x1b[2J\u202e"
    headers = Headers(type=evil, machine=evil, compiler=evil, config={"CONFIG_CMDLINE": evil})
    headers = headers._replace(program_headers=((evil, 0, 0, 0, 0, 0, "RWE", 0),) * 100)
    notes = (Note(evil, 18, b"\x1b[2J" * 100), Note("Xen", 6, b"\x1b[2J" * 100), Note("Xen", 18, b"x"))
    written = text_of(headers, notes=notes * 40)

    assert set() == {sign for sign in written if not " " <= sign <= "~" and sign not in "\n…"}
    assert max(map(len, written.splitlines())) < 200
    assert len(written) < 20_000


LINUX_NAMES = {"xen_prepare_pvh", "start_kernel", "e820__memory_setup", *build.VARIABLES}


@pytest.mark.parametrize(
    ("name", "symbols"), [("guest", LINUX_NAMES), ("grub", {"grub_xen_setup_pvh", "pvh_start_info"})]
)
def test_the_json_has_integers_and_names(name: str, symbols: set[str], grub_image: Path, tmp_path: Path) -> None:
    file = inspect_file(guest.ELF if name == "guest" else grub_image, tmp_path)
    values = inspect_json.to_dict(file)

    assert {file.facts.entry} == {loader["entry"] for loader in values["loaders"] if loader["entry"] is not None}
    assert ("pvh", file.facts.entry) == (values["preflight"]["way"], values["preflight"]["entry"])
    assert [segment.paddr for segment in file.facts.segments] == [
        header["paddr"] for header in values["elf"]["program_headers"] if header["type"] == "LOAD"
    ]
    assert symbols == set(values["symbols"])
