import gzip
import re
import subprocess
from pathlib import Path

import pytest

from pvhdbg.errors import GuestError, UserError
from pvhdbg.image.elf import Inspection, inspect
from pvhdbg.image.load import open_kernel
from pvhdbg.image.multiboot import Multiboot
from tests.image.builder import (
    CODE,
    SHT_NOTE,
    SHT_PROGBITS,
    Section,
    Symbol,
    bzimage,
    elf,
    load,
    note,
    notes,
    symbol_sections,
)
from tests.image.crafted import GOOD, MULTIBOOT1, MULTIBOOT2, with_bytes

CONFIG = b'#\n# Linux/x86 6.1.0\n#\nCONFIG_PVH=y\n# CONFIG_XEN_PVH is not set\nCONFIG_NODES_SHIFT=10\nCONFIG_X="a b"\n'
SECTION_ROW = re.compile(r"^  \[ *\d+\] (\S*) +([A-Z][A-Z_]+) +([0-9a-f]{8,16}) ([0-9a-f]+) ([0-9a-f]+)", re.MULTILINE)
PROGRAM_ROW = re.compile(r"^  (\w+) +(0x\w+) (0x\w+) (0x\w+) (0x\w+) (0x\w+) (.{3}) (0x\w+)", re.MULTILINE)


def readelf(option: str, path: Path) -> str:
    return subprocess.run(["readelf", option, path], check=True, capture_output=True, text=True).stdout


def inspect_bytes(data: bytes, folder: Path) -> Inspection:
    path = folder / "kernel"
    path.write_bytes(data)
    return inspect(str(path))


def config_of(blob: bytes, folder: Path) -> dict[str, str] | None:
    config = inspect_bytes(elf([load(CODE + blob)]), folder).config
    return None if config is None else dict(config)


@pytest.fixture(params=["6.1", "6.12", "grub"])
def real_file(request: pytest.FixtureRequest) -> Path:
    fixtures = {"6.1": "vmlinux_61", "6.12": "vmlinux_612", "grub": "grub_image"}
    path: Path = request.getfixturevalue(fixtures[request.param])
    return path


def test_program_headers_match_readelf(real_file: Path) -> None:
    listed = [
        (kind, *(int(number, 16) for number in numbers), flags.replace(" ", ""), int(align, 16))
        for kind, *numbers, flags, align in PROGRAM_ROW.findall(readelf("-lW", real_file))
    ]

    assert listed == [tuple(row) for row in inspect(str(real_file)).program_headers]


def test_sections_match_readelf(real_file: Path) -> None:
    listed = [
        (name, kind, int(addr, 16), int(offset, 16), int(size, 16))
        for name, kind, addr, offset, size in SECTION_ROW.findall(readelf("-SW", real_file))
        if name
    ]

    assert listed == [row[:5] for row in inspect(str(real_file)).sections if row.name]


def test_symbol_count_compiler_and_debug_info_of_a_real_kernel_match_readelf(debian_vmlinux: Path) -> None:
    inspection = inspect(str(debian_vmlinux))
    counted = re.search(r"'\.symtab' contains (\d+) entries", readelf("-sW", debian_vmlinux))
    assert counted is not None

    machine = "x86" if "Intel 80386" in readelf("-h", debian_vmlinux) else "x64"
    assert ("EXEC", machine, int(counted[1]), True) == (
        inspection.type,
        inspection.machine,
        inspection.symbols,
        inspection.has_debug_info,
    )
    assert (inspection.compiler or "").startswith("GCC: (Debian ")
    assert (None, None) == (inspection.multiboot1, inspection.config)


def test_grub_has_neither_symbols_nor_debug_info(grub_image: Path) -> None:
    grub = inspect(str(grub_image))

    assert ("x86", None, False, None) == (grub.machine, grub.symbols, grub.has_debug_info, grub.compiler)


def test_several_compilers_are_joined_with_semicolons(tmp_path: Path) -> None:
    comment = Section(".comment", SHT_PROGBITS, b"GCC: 12\0\0clang 15\0")

    assert "GCC: 12; clang 15" == inspect_bytes(elf([load()], [comment]), tmp_path).compiler


def test_the_empty_first_symbol_is_counted(tmp_path: Path) -> None:
    assert 2 == inspect_bytes(elf([load()], symbol_sections([Symbol("pvh", 1)])), tmp_path).symbols


def test_multiboot_headers_of_both_versions_are_found(tmp_path: Path) -> None:
    headers = inspect_bytes(elf([load(CODE + MULTIBOOT1.ljust(16) + MULTIBOOT2), notes(note())]), tmp_path)
    assert headers.multiboot1 is not None

    assert (Multiboot(headers.multiboot1.offset, 0), Multiboot(headers.multiboot1.offset + 16, 0)) == (
        headers.multiboot1,
        headers.multiboot2,
    )


@pytest.mark.parametrize("header", [MULTIBOOT1, MULTIBOOT2])
def test_a_multiboot_header_with_a_wrong_checksum_or_alignment_is_ignored(header: bytes, tmp_path: Path) -> None:
    damaged = inspect_bytes(elf([load(CODE + with_bytes(header, 4, b"\1"))]), tmp_path)
    misplaced = inspect_bytes(elf([load(CODE + b"\0\0" + header)]), tmp_path)

    assert [(None, None)] * 2 == [(file.multiboot1, file.multiboot2) for file in (damaged, misplaced)]


def test_the_notes_are_scanned_as_every_loader_does(tmp_path: Path) -> None:
    assert ["ABI", "QEMU", "Xen", "linux-loader"] == [scan.loader for scan in inspect_bytes(GOOD, tmp_path).scans]


def test_a_kernels_own_configuration_is_read(tmp_path: Path) -> None:
    expected = {"CONFIG_PVH": "y", "CONFIG_XEN_PVH": "n", "CONFIG_NODES_SHIFT": "10", "CONFIG_X": '"a b"'}

    assert expected == config_of(b"IKCFG_ST" + gzip.compress(CONFIG) + b"IKCFG_ED", tmp_path)


def test_an_ikcfg_magic_without_a_configuration_is_skipped(tmp_path: Path) -> None:
    config = config_of(b"IKCFG_ST nothing " + b"IKCFG_ST" + gzip.compress(CONFIG), tmp_path)

    assert config is not None
    assert "y" == config["CONFIG_PVH"]


@pytest.mark.parametrize("blob", [b"", b"IKCFG_ST", b"IKCFG_ST\x1f\x8b\x08\0", b"IKCFG_ST" + gzip.compress(b"")])
def test_a_kernel_without_a_valid_configuration_has_none(blob: bytes, tmp_path: Path) -> None:
    assert config_of(blob, tmp_path) is None


def test_a_decompression_bomb_in_the_configuration_is_cut(tmp_path: Path) -> None:
    bomb = gzip.compress(b"CONFIG_A=y\n" + b"#" * (64 << 20))

    assert {"CONFIG_A": "y"} == config_of(b"IKCFG_ST" + bomb, tmp_path)


def test_inconsistent_headers_are_an_error(tmp_path: Path) -> None:
    data = elf([load()], [Section(".symtab", 2, b"", link=1)])

    with pytest.raises(UserError, match="inconsistent ELF headers"):
        inspect_bytes(data, tmp_path)


def test_a_file_that_is_not_elf_or_is_big_endian_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not an ELF file"):
        inspect_bytes(b"MZ", tmp_path)
    with pytest.raises(GuestError, match="big-endian"):
        inspect_bytes(with_bytes(GOOD, 5, b"\2"), tmp_path)


def test_a_note_section_is_shown_with_its_flags(tmp_path: Path) -> None:
    section = inspect_bytes(elf([load()], [Section(".notes", SHT_NOTE, note())]), tmp_path).sections[1]

    assert (".notes", "NOTE", "A", 8) == (section.name, section.type, section.flags, section.align)


def test_an_error_in_an_unpacked_kernel_names_the_bzimage(tmp_path: Path) -> None:
    data = elf([load(), notes(note())], [Section(".symtab", 2, b"", link=1)])
    (tmp_path / "vmlinuz").write_bytes(bzimage(gzip.compress(data), len(data)))
    facts = open_kernel(str(tmp_path / "vmlinuz"), tmp_path).facts

    with pytest.raises(UserError, match=f"^{tmp_path}/vmlinuz: inconsistent ELF headers"):
        inspect(facts.elf, facts)
