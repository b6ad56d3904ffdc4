"""inspect's words about real files, and about values that no file of ours has."""

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
from pvhdbg.image.verdict import FATAL, Verdict
from pvhdbg.views.inspection import STAGE_SYMBOLS, InspectedFile, ProgramHeader, SectionHeader
from pvhdbg.views.report import inspect_text
from pvhdbg.views.to_json import inspect_json
from tests import build


def inspected(path: Path, folder: Path) -> InspectedFile:
    kernel = open_kernel(str(path), folder)
    checked = preflight_file(kernel.facts, symbols=kernel.symbols)
    addresses = {name: kernel.symbols.address(name) for name in STAGE_SYMBOLS if name in kernel.symbols}
    return InspectedFile(kernel.facts, inspect(kernel.facts.elf), checked, addresses)


class Headers(NamedTuple):
    """A file's headers, made up."""

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


def made_up(headers: Headers, *, notes: tuple[Note, ...] = (), checked: Preflight | None = None) -> str:
    facts = build.linux()._replace(notes=notes)
    return inspect_text.as_text(InspectedFile(facts, headers, checked or Preflight(PVH, 0x1000850, ()), {}))


def test_the_teaching_guest_is_started_by_pvh_and_has_every_stage(tmp_path: Path) -> None:
    found = inspected(guest.ELF, tmp_path)
    written = inspect_text.as_text(found)

    assert f"QEMU's -kernel starts it by PVH, at {found.facts.entry:#x}" in written
    assert "no symbol" not in written
    assert f"prepare         {found.addresses['xen_prepare_pvh']:#x}, physical" in written


def test_debians_kernel_shows_its_notes_and_what_each_loader_finds(vmlinux_61: Path, tmp_path: Path) -> None:
    found = inspected(vmlinux_61, tmp_path)
    written = inspect_text.as_text(found)

    assert f"PHYS32_ENTRY              {found.facts.entry:#x}  (physical address of the PVH entry" in written
    assert 4 == written.count(f"{found.facts.entry:#x}, from the note at")
    assert "DWARF debug information" in written


def test_a_stripped_linux_says_where_its_stages_could_come_from(vmlinuz_lz4: Path, tmp_path: Path) -> None:
    written = inspect_text.as_text(inspected(vmlinuz_lz4, tmp_path))

    assert "bzimage: what follows is about the vmlinux inside" in written
    assert "--symbols FILE takes them from a vmlinux with the same build-id" in written


def test_a_guest_that_is_no_linux_has_its_entry_alone(grub_image: Path, tmp_path: Path) -> None:
    written = inspect_text.as_text(inspected(grub_image, tmp_path))

    assert "entry           0x100000   the first instruction at the PHYS32_ENTRY address" in written
    assert "linux-loader  none: it loads only 64-bit ELF files" in written
    assert "--symbols" not in written


def test_a_file_that_cannot_start_says_why_and_what_to_do() -> None:
    verdict = Verdict("no-note", FATAL, "no PHYS32_ENTRY note", "build the kernel with CONFIG_PVH=y")
    written = made_up(Headers(scans=(Scan("QEMU", None, NO_NOTE),)), checked=Preflight(NONE, None, (verdict,)))

    assert "QEMU's -kernel refuses it\n  fatal (no-note): no PHYS32_ENTRY note\n    hint: build the kernel" in written
    assert "QEMU  none: no note is accepted as PHYS32_ENTRY" in written


def test_the_configuration_shows_what_matters_to_a_boot() -> None:
    written = made_up(Headers(config={"CONFIG_PVH": "y", "CONFIG_NODES_SHIFT": "10", "CONFIG_SOUND": "m"}))

    assert "CONFIG_PVH                  y" in written
    assert "CONFIG_XEN_PVH              n" in written
    assert "CONFIG_SOUND" not in written


def test_multiboot_headers_are_named_with_their_place() -> None:
    written = made_up(Headers(multiboot1=Multiboot(0x40, 0), multiboot2=Multiboot(0x80, 0)))

    assert "multiboot  version 1 header at 0x40, version 2 header at 0x80" in written


def test_nothing_that_a_file_holds_reaches_the_terminal_as_it_is() -> None:
    evil = "\x1b[2J\u202e"
    headers = Headers(type=evil, machine=evil, compiler=evil, config={"CONFIG_CMDLINE": evil})
    headers = headers._replace(program_headers=((evil, 0, 0, 0, 0, 0, "RWE", 0),) * 100)
    notes = (Note(evil, 18, b"\x1b[2J" * 100), Note("Xen", 6, b"\x1b[2J" * 100), Note("Xen", 18, b"x"))
    written = made_up(headers, notes=notes * 40)

    assert set() == {sign for sign in written if not " " <= sign <= "~" and sign not in "\n…"}
    assert max(map(len, written.splitlines())) < 200
    assert len(written) < 20_000


@pytest.mark.parametrize("name", ["guest", "grub"])
def test_as_json_it_is_integers_and_names(name: str, grub_image: Path, tmp_path: Path) -> None:
    found = inspected(guest.ELF if name == "guest" else grub_image, tmp_path)
    values = inspect_json.to_dict(found)

    assert {found.facts.entry} == {each["entry"] for each in values["loaders"] if each["entry"] is not None}
    assert ("pvh", found.facts.entry) == (values["preflight"]["way"], values["preflight"]["entry"])
    assert [each.paddr for each in found.facts.segments] == [
        each["paddr"] for each in values["elf"]["program_headers"] if each["type"] == "LOAD"
    ]
    assert set(STAGE_SYMBOLS) == set(values["symbols"])
