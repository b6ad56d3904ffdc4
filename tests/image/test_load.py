import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from pvhdbg.errors import PvhdbgError, UserError
from pvhdbg.image.load import Kernel, open_kernel
from tests.image.builder import (
    SHT_NOTE,
    Section,
    Symbol,
    bzimage,
    elf,
    load,
    note,
    notes,
    raw_note,
    symbol_sections,
)
from tests.image.crafted import BUILD_ID, GOOD

WITH_SYMBOLS = elf([load(), notes(BUILD_ID, note())], symbol_sections([Symbol("pvh", 0x1234)]))
STRIPPED = elf([load(), notes(BUILD_ID, note())])
OTHER_ID = elf([load(), notes(raw_note(b"GNU\0", 3, bytes(20)), note())], symbol_sections([Symbol("pvh", 0x1234)]))
ANONYMOUS = elf([load(), notes(note())], symbol_sections([Symbol("pvh", 0x1234)]))
LAZY = {"lz4", "zstandard", "elftools", "pvhdbg.image.bzimage"}


def open_bytes(folder: Path, kernel: bytes, symbols: bytes | None = None) -> Kernel:
    (folder / "kernel").write_bytes(kernel)
    (folder / "symbols").write_bytes(symbols or b"")
    opened = open_kernel(str(folder / "kernel"), folder, None if symbols is None else str(folder / "symbols"))
    opened.symbols.close()
    return opened


def refusal(folder: Path, kernel: bytes) -> PvhdbgError:
    with pytest.raises(PvhdbgError) as caught:
        open_bytes(folder, kernel)
    return caught.value


def test_an_elf_file_is_opened_in_place(tmp_path: Path) -> None:
    kernel = open_bytes(tmp_path, WITH_SYMBOLS)

    assert (str(tmp_path / "kernel"), "elf", 3 - 1) == (kernel.facts.elf, kernel.facts.kind, len(kernel.symbols))


def test_a_bzimage_is_unpacked_into_the_folder(tmp_path: Path) -> None:
    kernel = open_bytes(tmp_path, bzimage(gzip.compress(STRIPPED), len(STRIPPED)))

    assert (str(tmp_path / "kernel"), str(tmp_path / "vmlinux"), "bzimage", 0) == (
        kernel.facts.path,
        kernel.facts.elf,
        kernel.facts.kind,
        len(kernel.symbols),
    )


def test_symbols_of_the_same_build_are_used(tmp_path: Path) -> None:
    kernel = open_bytes(tmp_path, STRIPPED, WITH_SYMBOLS)

    assert (2, None) == (len(kernel.symbols), kernel.unused_symbols)


@pytest.mark.parametrize(
    ("kernel", "symbols", "expected"),
    [
        (
            STRIPPED,
            OTHER_ID,
            f"its build-id is {'00' * 20}, but the kernel's build-id is {bytes(range(20)).hex()}",
        ),
        (STRIPPED, ANONYMOUS, "this file has no build-id to compare"),
        (GOOD, WITH_SYMBOLS, "the kernel has no build-id to compare"),
        (STRIPPED, STRIPPED, "this file has no symbol table"),
    ],
)
def test_symbols_that_do_not_match_are_not_used_and_the_reason_is_given(
    kernel: bytes, symbols: bytes, expected: str, tmp_path: Path
) -> None:
    opened = open_bytes(tmp_path, kernel, symbols)

    assert (0, f"--symbols {tmp_path}/symbols is not used: {expected}") == (len(opened.symbols), opened.unused_symbols)


def test_the_remark_says_that_not_all_symbols_were_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pvhdbg.image.symbols._MAX_SYMBOLS", 1)

    assert "only the first 1 of 2 symbols are read" == open_bytes(tmp_path, WITH_SYMBOLS).symbols_remark


def test_a_symbols_file_that_is_not_elf_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="symbols: not an ELF file"):
        open_bytes(tmp_path, STRIPPED, b"MZ")


def test_debians_vmlinuz_uses_the_symbols_of_its_debug_package(
    vmlinuz_lz4: Path, vmlinux_61: Path, tmp_path: Path
) -> None:
    kernel = open_kernel(str(vmlinuz_lz4), tmp_path, str(vmlinux_61))
    if kernel.unused_symbols:
        pytest.skip("the packages are of different versions")
    entry = kernel.facts.entry
    assert entry is not None

    assert kernel.facts.to_vaddr(entry) == kernel.symbols.address("pvh_start_xen")
    kernel.symbols.close()


def test_the_symbols_of_another_version_are_not_used(vmlinuz_lz4: Path, vmlinux_612: Path, tmp_path: Path) -> None:
    kernel = open_kernel(str(vmlinuz_lz4), tmp_path, str(vmlinux_612))

    assert (0, True) == (len(kernel.symbols), "build-id" in (kernel.unused_symbols or ""))
    kernel.symbols.close()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (gzip.compress(GOOD), "a gzip file"),
        (b"BZh91AY", "a bzip2 file"),
        (b"\xfd7zXZ\0", "an xz file"),
        (b"\x28\xb5\x2f\xfd", "a zstd file"),
        (b"MZ\0\0zimg", "an EFI zboot image"),
        (b"MZ" + bytes(1000), "an EFI application"),
        (b"070701", "a cpio archive"),
        (b"!<arch>\n", "an archive"),
        (b'{ "format": "pvhdbg"', "looks like a recording"),
        (b"#!/bin/sh\n", "a script"),
        (bytes(510) + b"\x55\xaa", "a boot sector"),
        (b"\x7fEL", "neither an ELF file nor a bzImage"),
        (b"\0", "neither an ELF file nor a bzImage"),
    ],
)
def test_the_type_of_a_file_that_is_not_a_kernel_is_named(data: bytes, expected: str, tmp_path: Path) -> None:
    error = refusal(tmp_path, data)

    assert (True, 2, True) == (expected in str(error), error.exit_status, bool(error.hint))


@pytest.mark.parametrize(
    ("name", "expected"), [(".", "not a regular file"), ("missing", "No such file"), ("", "No such")]
)
def test_a_path_that_cannot_be_read_is_an_error(name: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=expected):
        open_kernel(str(tmp_path / name) if name else "", tmp_path)


def test_opening_an_elf_file_imports_no_decompressor(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(GOOD)
    script = (
        "import sys; from pathlib import Path; from pvhdbg.image.load import open_kernel;"
        f"open_kernel({str(path)!r}, Path('.')); print(*sorted(set(sys.modules) & {LAZY!r}))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert "\n" == done.stdout


COMPLETE = {
    bits: elf(
        [load(b"Linux version 6.1 (x)\0", memsz=0x1000), notes(BUILD_ID, note()), notes(note(), align=8)],
        [*symbol_sections([Symbol("pvh", 0x1234)], bits=bits), Section(".notes", SHT_NOTE, note())],
        bits=bits,
    )
    for bits in (32, 64)
}


@pytest.mark.parametrize(
    "data",
    [COMPLETE[32], COMPLETE[64], bzimage(gzip.compress(COMPLETE[64]), len(COMPLETE[64]))],
    ids=["32 bit", "64 bit", "bzImage"],
)
def test_a_truncated_file_is_an_error_wherever_it_ends(data: bytes, tmp_path: Path) -> None:
    assert open_bytes(tmp_path, data).facts.entry is not None
    for size in range(1, len(data), 7):
        assert "\n" not in str(refusal(tmp_path, data[:size]))
