"""The ELF file in the package matches its source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Symbol, SymbolTableSection
from elftools.elf.segments import NoteSegment

from pvhdbg.guest import COMPILED_IN, ELF, SOURCE
from pvhdbg.guest.build import build
from tests.guest.machine import boot, gdb

KERNEL_MAP = 0xFFFFFFFF80000000
# The symbols that pvhdbg needs for the stages and for the data that it shows there.
LINUX_NAMES = {
    "boot_params",
    "e820__memory_setup",
    "e820_table",
    "init_pvh_bootparams",
    "pvh_bootparams",
    "pvh_start_info",
    "pvh_start_xen",
    "start_kernel",
    "startup_64",
    "x86_64_start_kernel",
    "xen_prepare_pvh",
}
OWN_NAMES = {"map_from_e820_module", "map_from_memmap"}


@pytest.fixture(scope="session")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guest, rebuilt from its source."""
    return build(tmp_path_factory.mktemp("guest"))


def read(path: Path, reader: Callable[[ELFFile], Any]) -> Any:  # noqa: ANN401  the type of what `reader` returns
    with path.open("rb") as file:
        return reader(ELFFile(file))


def compiler(elf: ELFFile) -> bytes:
    section = elf.get_section_by_name(".comment")

    assert section is not None

    return bytes(section.data())


def symbols(elf: ELFFile) -> list[Symbol]:
    section = elf.get_section_by_name(".symtab")

    assert isinstance(section, SymbolTableSection)

    return list(section.iter_symbols())


def global_symbols(elf: ELFFile) -> set[tuple[str, str]]:
    infos = [(symbol.name, symbol["st_info"]) for symbol in symbols(elf)]
    return {(name, info["type"]) for name, info in infos if info["bind"] == "STB_GLOBAL"}


def segments(elf: ELFFile) -> list[tuple[str, int, int, int]]:
    return [
        (segment["p_type"], segment["p_flags"], segment["p_vaddr"] - segment["p_paddr"], segment["p_align"])
        for segment in elf.iter_segments()
    ]


def xen_notes(elf: ELFFile) -> list[tuple[int | str, bytes]]:
    segments_ = [segment for segment in elf.iter_segments() if isinstance(segment, NoteSegment)]
    notes = [note for segment in segments_ for note in segment.iter_notes()]

    assert "NT_GNU_BUILD_ID" == notes[-1]["n_type"]

    return [(note["n_type"], note["n_descdata"]) for note in notes if note["n_name"] == "Xen"]


def folders_in_dwarf(elf: ELFFile) -> set[bytes]:
    dwarf = elf.get_dwarf_info()
    lines = [dwarf.line_program_for_CU(unit) for unit in dwarf.iter_CUs()]
    return {folder for program in lines if program for folder in program["include_directory"]}


def test_the_same_compiler_builds_the_same_bytes(rebuilt: Path) -> None:
    ours, packaged = read(rebuilt, compiler), read(ELF, compiler)
    if ours != packaged:
        pytest.skip(f"the ELF file was built by {packaged!r}, this machine has {ours!r}")

    assert ELF.read_bytes() == rebuilt.read_bytes()


@pytest.mark.parametrize("reader", [global_symbols, segments, xen_notes, folders_in_dwarf])
def test_any_compiler_builds_the_same_symbols_segments_notes_and_folders(
    reader: Callable[[ELFFile], Any], rebuilt: Path
) -> None:
    assert read(ELF, reader) == read(rebuilt, reader)


def test_the_rebuilt_guest_prints_the_same(rebuilt: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "committed", tmp_path / "rebuilt"]
    for folder in folders:
        folder.mkdir()
    consoles = [
        boot(folder, "-M", "microvm", "-append", "the same", elf=elf)
        for folder, elf in zip(folders, [ELF, rebuilt], strict=True)
    ]

    assert consoles[0] == consoles[1]
    assert "halting" == consoles[0][-1]


def test_the_guest_has_the_symbols_of_every_stage(rebuilt: Path) -> None:
    for elf in (ELF, rebuilt):
        names = {symbol.name for symbol in read(elf, symbols)}

        assert set() == (LINUX_NAMES | OWN_NAMES) - names


def test_the_segments_are_linked_as_in_linux() -> None:
    assert [
        ("PT_LOAD", 5, KERNEL_MAP, 4096),
        ("PT_LOAD", 4, KERNEL_MAP, 4096),
        ("PT_LOAD", 6, KERNEL_MAP, 4096),
        ("PT_NOTE", 4, KERNEL_MAP, 4),
    ] == read(ELF, segments)


def test_the_notes_are_guest_os_guest_version_and_phys32_entry() -> None:
    assert [
        (6, b"pvhdbg teaching guest\0"),
        (7, b"1\0"),
        (18, (0x1000000).to_bytes(8, "little")),
    ] == read(ELF, xen_notes)


def test_no_path_of_the_build_machine_is_in_the_file(rebuilt: Path) -> None:
    assert {COMPILED_IN.encode()} == read(ELF, folders_in_dwarf)
    assert bytes(SOURCE) not in rebuilt.read_bytes()


def test_gdb_finds_the_source_in_the_package(tmp_path: Path) -> None:
    output = gdb(tmp_path, "list xen_prepare_pvh", "list pvh_start_xen")

    assert "bool xen_guest = running_on_xen();" in output
    assert "lgdt pa(gdt_pointer_low)" in output
