import gzip
import subprocess
import sys
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped]  # no type hints
import pytest
import zstandard

from pvhdbg.errors import GuestError, PvhdbgError, UserError
from pvhdbg.image import bzimage as bzimage_module
from pvhdbg.image.load import Kernel, open_kernel
from tests.image.builder import (
    CODE,
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
from tests.image.packers import PACKERS

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


@pytest.mark.parametrize("name", [*PACKERS, "lz4 frame"])
def test_a_compressed_elf_file_is_unpacked_into_the_folder(name: str, tmp_path: Path) -> None:
    pack = lz4.frame.compress if name == "lz4 frame" else PACKERS[name]
    kernel = open_bytes(tmp_path, pack(WITH_SYMBOLS))

    assert (str(tmp_path / "vmlinux"), "elf", 2) == (kernel.facts.elf, kernel.facts.kind, len(kernel.symbols))
    assert WITH_SYMBOLS == (tmp_path / "vmlinux").read_bytes()


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_a_file_of_several_streams_is_unpacked_to_its_end(name: str, tmp_path: Path) -> None:
    pack = PACKERS[name]
    open_bytes(tmp_path, pack(STRIPPED[:300]) + pack(STRIPPED[300:]))

    assert STRIPPED == (tmp_path / "vmlinux").read_bytes()


def test_a_command_unpacks_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(STRIPPED)
    for command in ("gzip", "bzip2", "xz"):
        packed = subprocess.run([command, "-c", tmp_path / "a"], check=True, capture_output=True).stdout
        open_bytes(tmp_path, packed)

        assert STRIPPED == (tmp_path / "vmlinux").read_bytes(), command


def test_a_compressed_linux_is_a_vmlinux(tmp_path: Path) -> None:
    kernel = open_bytes(tmp_path, gzip.compress(elf([load(CODE + b"Linux version 6.1.0 (me)"), notes(note())])))

    assert ("vmlinux", "6.1.0") == (kernel.facts.kind, kernel.facts.release)


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (
            gzip.compress(b"text" * 100),
            "can't unpack the gzip file: it does not unpack to an ELF file",
            "pass an ELF file",
        ),
        (
            gzip.compress(STRIPPED)[:-20],
            "can't unpack the gzip file: gzip: unexpected end of data",
            "copy the file again",
        ),
        (b"BZh9" + bytes(40), "can't unpack the bzip2 file: ", "copy the file again"),
        (
            b"\x89LZO\0\r\n\x1a\n" + bytes(40),
            "compressed with LZO, which is not supported",
            "unpack the file with lzop",
        ),
        (
            zstandard.compress(STRIPPED[:64] + bytes(513 << 20)),
            "it unpacks to more than 536870912 bytes",
            "unpack the file yourself",
        ),
    ],
    ids=["text", "truncated", "damaged", "LZO", "bomb"],
)
def test_a_compressed_file_that_cannot_be_used_is_refused(
    data: bytes, message: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bzimage_module, "_CPU_SECONDS", 1000.0)  # on a busy computer, the size is not the first limit
    error = refusal(tmp_path, data)

    assert isinstance(error, UserError)
    assert (True, True) == (message in str(error), (error.hint or "").startswith(hint))
    assert not (tmp_path / "vmlinux").exists()


def test_an_image_for_the_boot_protocol_without_a_payload_is_not_damaged(tmp_path: Path) -> None:
    image = bytearray(bzimage(b"", 0, length=0))
    image[0x20E:0x210] = (0x60).to_bytes(2, "little")
    image[0x260:0x26C] = b"Memtest86+ \0"
    error = refusal(tmp_path, bytes(image))

    assert isinstance(error, GuestError)
    assert 'without a vmlinux inside: "Memtest86+ "' in str(error)
    assert "damaged" not in f"{error} {error.hint}"


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
    monkeypatch.setattr("pvhdbg.image.debug_info.symbols._MAX_SYMBOLS", 1)

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
        (b"MZ\0\0zimg", "an EFI zboot image"),
        (b"MZ" + bytes(1000), "an EFI application"),
        (b"070701", "a cpio archive"),
        (b"!<arch>\n", "an archive"),
        (b'{ "format": "pvhdbg"', "looks like a recording"),
        (b"PK\3\4\x14\0", "a zip file"),
        (b"QFI\xfb\0\0\0\3", "a qcow2 disk image"),
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
