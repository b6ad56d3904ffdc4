"""The ELF in the package is what its source makes."""

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
# What the stages of a boot, and what a debugger shows at them, go by. Each is an address of its own in any build.
NAMED_AS_IN_LINUX = {
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
OUR_OWN = {"map_from_e820_module", "map_from_memmap"}


@pytest.fixture(scope="session")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guest, built again from its source."""
    return build(tmp_path_factory.mktemp("guest"))


def read(path: Path, question: Callable[[ELFFile], Any]) -> Any:  # noqa: ANN401  the question knows
    with path.open("rb") as file:
        return question(ELFFile(file))


def compiler(elf: ELFFile) -> bytes:
    section = elf.get_section_by_name(".comment")

    assert section is not None

    return bytes(section.data())


def symbols(elf: ELFFile) -> list[Symbol]:
    section = elf.get_section_by_name(".symtab")

    assert isinstance(section, SymbolTableSection)

    return list(section.iter_symbols())


def global_symbols(elf: ELFFile) -> set[tuple[str, str]]:
    found = [(each.name, each["st_info"]) for each in symbols(elf)]
    return {(name, info["type"]) for name, info in found if info["bind"] == "STB_GLOBAL"}


def segments(elf: ELFFile) -> list[tuple[str, int, int, int]]:
    return [
        (each["p_type"], each["p_flags"], each["p_vaddr"] - each["p_paddr"], each["p_align"])
        for each in elf.iter_segments()
    ]


def xen_notes(elf: ELFFile) -> list[tuple[int | str, bytes]]:
    found = [note for each in elf.iter_segments() if isinstance(each, NoteSegment) for note in each.iter_notes()]

    assert "NT_GNU_BUILD_ID" == found[-1]["n_type"]

    return [(note["n_type"], note["n_descdata"]) for note in found if note["n_name"] == "Xen"]


def folders_in_dwarf(elf: ELFFile) -> set[bytes]:
    dwarf = elf.get_dwarf_info()
    lines = [dwarf.line_program_for_CU(unit) for unit in dwarf.iter_CUs()]
    return {folder for program in lines if program for folder in program["include_directory"]}


def test_the_same_compiler_makes_the_same_bytes(rebuilt: Path) -> None:
    here, there = read(rebuilt, compiler), read(ELF, compiler)
    if here != there:
        pytest.skip(f"the ELF was built by {there!r}, here is {here!r}")

    assert ELF.read_bytes() == rebuilt.read_bytes()


@pytest.mark.parametrize("question", [global_symbols, segments, xen_notes, folders_in_dwarf])
def test_any_compiler_makes_the_same_in_kind(question: Callable[[ELFFile], Any], rebuilt: Path) -> None:
    assert read(ELF, question) == read(rebuilt, question)


def test_any_compiler_makes_what_tells_the_same(rebuilt: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "committed", tmp_path / "rebuilt"]
    for folder in folders:
        folder.mkdir()
    told = [
        boot(folder, "-M", "microvm", "-append", "the same", elf=elf)
        for folder, elf in zip(folders, [ELF, rebuilt], strict=True)
    ]

    assert told[0] == told[1]
    assert "halting" == told[0][-1]


def test_every_stage_of_a_boot_has_its_symbol(rebuilt: Path) -> None:
    for elf in (ELF, rebuilt):
        found = {symbol.name for symbol in read(elf, symbols)}

        assert set() == (NAMED_AS_IN_LINUX | OUR_OWN) - found


def test_it_is_linked_as_linux_is() -> None:
    assert [
        ("PT_LOAD", 5, KERNEL_MAP, 4096),
        ("PT_LOAD", 4, KERNEL_MAP, 4096),
        ("PT_LOAD", 6, KERNEL_MAP, 4096),
        ("PT_NOTE", 4, KERNEL_MAP, 4),
    ] == read(ELF, segments)


def test_its_notes_name_the_entry_and_nothing_that_promises_more() -> None:
    assert [
        (6, b"pvhdbg teaching guest\0"),
        (7, b"1\0"),
        (18, (0x1000000).to_bytes(8, "little")),
    ] == read(ELF, xen_notes)


def test_no_folder_of_the_machine_it_was_built_on_is_in_it(rebuilt: Path) -> None:
    assert {COMPILED_IN.encode()} == read(ELF, folders_in_dwarf)
    assert bytes(SOURCE) not in rebuilt.read_bytes()


def test_gdb_finds_the_source_where_the_package_lies(tmp_path: Path) -> None:
    told = gdb(tmp_path, "list xen_prepare_pvh", "list pvh_start_xen")

    assert "bool xen_guest = running_on_xen();" in told
    assert "lgdt pa(gdt_pointer_low)" in told
