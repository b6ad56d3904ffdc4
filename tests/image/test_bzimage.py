import errno
import gzip
import lzma
import random
import shutil
import subprocess
from pathlib import Path
from typing import IO, Any

import pytest

from pvhdbg.errors import GuestError, MachineError, PvhdbgError, UserError
from pvhdbg.image.bzimage import MAX_UNPACKED, _Packed, unpack
from pvhdbg.image.debug_info.symbols import Symbols
from pvhdbg.image.facts import read_facts
from tests.image.builder import bzimage, elf, load, note, notes
from tests.image.crafted import BUILD_ID
from tests.image.packers import LZ4_BLOCK, LZ4_MAGIC, PACKERS, lz4_part

CONTENT = random.Random(0).randbytes(16 << 10)
VMLINUX = elf([load(CONTENT * 5), notes(BUILD_ID, note())])


def write_file(data: bytes, folder: Path) -> str:
    path = folder / "vmlinuz"
    path.write_bytes(data)
    return str(path)


def pack(name: str, data: bytes = VMLINUX) -> bytes:
    return bzimage(PACKERS[name](data), len(data))


def refusal(data: bytes, folder: Path) -> PvhdbgError:
    with pytest.raises(PvhdbgError) as caught:
        unpack(write_file(data, folder), folder)
    return caught.value


@pytest.mark.parametrize("name", PACKERS)
def test_every_compression_is_unpacked(name: str, tmp_path: Path) -> None:
    target = unpack(write_file(pack(name), tmp_path), tmp_path)

    assert (tmp_path / "vmlinux", VMLINUX) == (target, target.read_bytes())


@pytest.mark.skipif(shutil.which("lz4") is None, reason="the lz4 tool is not installed")
def test_output_of_the_lz4_tool_is_unpacked(tmp_path: Path) -> None:
    made = subprocess.run(["lz4", "-l", "-9", "-"], input=VMLINUX, check=True, capture_output=True).stdout
    target = unpack(write_file(bzimage(made, len(VMLINUX)), tmp_path), tmp_path)

    assert VMLINUX == target.read_bytes()


def test_what_was_consumed_of_a_payload_is_counted_from_its_start() -> None:
    packed = _Packed(b"0123456789", 2, 8)

    assert (b"234", b"5", 3) == (packed.read(3), packed.peek(1), packed.consumed)
    assert (b"567", b"", 6) == (packed.read(9), packed.read(1), packed.consumed)


def test_lz4_data_of_several_blocks_is_unpacked(tmp_path: Path) -> None:
    vmlinux = elf([load(CONTENT * (2 * LZ4_BLOCK // len(CONTENT)))])
    target = unpack(write_file(pack("lz4", vmlinux), tmp_path), tmp_path)

    assert vmlinux == target.read_bytes()


@pytest.mark.parametrize(("sectors", "field"), [(4, 0), (4, 4), (39, 39)])
def test_setup_sectors_are_counted_and_zero_means_four(sectors: int, field: int, tmp_path: Path) -> None:
    data = bytearray(bzimage(gzip.compress(VMLINUX), len(VMLINUX), sectors=sectors))
    data[0x1F1] = field

    assert VMLINUX == unpack(write_file(bytes(data), tmp_path), tmp_path).read_bytes()


def test_debians_kernels_unpack_to_pvh_guests(debian_vmlinuz: Path, tmp_path: Path) -> None:
    facts = read_facts(str(debian_vmlinuz), elf=str(unpack(str(debian_vmlinuz), tmp_path)), kind="bzimage")

    assert debian_vmlinuz.name == f"vmlinuz-{facts.release}"
    assert (True, True, 19) == (facts.entry is not None, facts.build_id is not None, len(facts.notes))


def test_a_vmlinuz_unpacks_to_the_build_of_its_debug_vmlinux(
    vmlinuz_zstd: Path, vmlinux_612: Path, tmp_path: Path
) -> None:
    unpacked, debug = read_facts(str(unpack(str(vmlinuz_zstd), tmp_path))), read_facts(str(vmlinux_612))
    if unpacked.build_id != debug.build_id:
        pytest.skip("the packages are of different versions")

    assert debug._replace(path="", elf="", segments=()) == unpacked._replace(path="", elf="", segments=())
    assert [segment[:2] for segment in debug.segments] == [segment[:2] for segment in unpacked.segments]


def test_an_unpacked_kernel_has_no_symbols(vmlinuz_zstd: Path, tmp_path: Path) -> None:
    symbols = Symbols(str(unpack(str(vmlinuz_zstd), tmp_path)))

    assert 0 == len(symbols)
    symbols.close()


@pytest.mark.parametrize("name", PACKERS)
def test_a_truncated_payload_is_an_error_and_leaves_no_file(name: str, tmp_path: Path) -> None:
    error = refusal(bzimage(PACKERS[name](VMLINUX)[:-20], len(VMLINUX)), tmp_path)

    assert (True, "can't unpack the payload" in str(error)) == (isinstance(error, UserError), True)
    assert not (tmp_path / "vmlinux").exists()


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_payload_with_changed_bytes_gives_an_error_or_a_vmlinux_of_the_stated_size(
    name: str, place: float, tmp_path: Path
) -> None:
    payload = bytearray(PACKERS[name](VMLINUX))
    at = 8 + int((len(payload) - 16) * place)
    payload[at : at + 4] = bytes(byte ^ 0xFF for byte in payload[at : at + 4])
    path = write_file(bzimage(bytes(payload), len(VMLINUX)), tmp_path)
    try:
        size = len(unpack(path, tmp_path).read_bytes())
    except UserError:
        size = len(VMLINUX)

    assert len(VMLINUX) == size


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("difference", [-1, 1])
def test_a_payload_that_unpacks_to_the_wrong_size_is_an_error(name: str, difference: int, tmp_path: Path) -> None:
    error = refusal(bzimage(PACKERS[name](VMLINUX), len(VMLINUX) + difference), tmp_path)

    assert "it unpacks to " in str(error)


@pytest.mark.parametrize("name", PACKERS)
def test_a_payload_that_does_not_unpack_to_an_elf_file_is_an_error(name: str, tmp_path: Path) -> None:
    assert "it does not unpack to an ELF file" in str(refusal(pack(name, b"not a kernel" * 100), tmp_path))


@pytest.mark.parametrize("name", PACKERS)
def test_a_decompression_bomb_is_not_unpacked_past_its_stated_size(name: str, tmp_path: Path) -> None:
    bomb = b"\x7fELF" + bytes(64 << 20)
    error = refusal(bzimage(PACKERS[name](bomb), 1 << 20), tmp_path)

    assert "it unpacks to more than 1048576 bytes" in str(error)


def test_a_payload_with_a_stated_size_above_the_limit_is_refused(tmp_path: Path) -> None:
    error = refusal(bzimage(gzip.compress(VMLINUX), MAX_UNPACKED + 1), tmp_path)

    assert f"more than the limit of {MAX_UNPACKED}" in str(error)


def test_lzo_is_reported_as_unsupported(tmp_path: Path) -> None:
    error = refusal(bzimage(b"\x89LZO\0\r\n\x1a\n" + bytes(20), 100), tmp_path)

    assert (True, True) == (isinstance(error, UserError), "compressed with LZO" in str(error))


def test_an_unknown_compression_is_reported_with_its_first_bytes(tmp_path: Path) -> None:
    error = refusal(bzimage(b"\x1b[31m" + bytes(20), 100), tmp_path)

    assert "1b 5b 33 31 6d 00" in str(error)


def test_a_boot_protocol_older_than_2_08_is_a_guest_error(tmp_path: Path) -> None:
    error = refusal(bzimage(gzip.compress(VMLINUX), len(VMLINUX), version=0x207), tmp_path)

    assert (True, True) == (isinstance(error, GuestError), "boot protocol 2.07" in str(error))


@pytest.mark.parametrize("length", [1, 4, 1 << 20, 0xFFFFFFFF])
def test_a_payload_outside_the_file_is_an_error(length: int, tmp_path: Path) -> None:
    error = refusal(bzimage(gzip.compress(b""), 0, length=length), tmp_path)

    assert "invalid payload: " in str(error)


def test_a_truncated_setup_header_is_an_error(tmp_path: Path) -> None:
    assert "the setup header is truncated" in str(refusal(pack("gzip")[:0x240], tmp_path))


def test_a_file_that_is_not_a_bzimage_is_an_error(tmp_path: Path) -> None:
    assert "not a bzImage" in str(refusal(VMLINUX, tmp_path))


def test_a_folder_that_cannot_be_written_is_a_machine_error(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="No such file or directory"):
        unpack(write_file(pack("gzip"), tmp_path), tmp_path / "missing")


def test_if_no_file_can_be_made_the_reason_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = write_file(pack("gzip"), tmp_path), Path.open

    def full(self: Path, mode: str = "r") -> IO[Any]:
        if "w" in mode:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, mode)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(MachineError, match="No space left on device"):
        unpack(path, tmp_path)


def test_an_lz4_block_before_the_last_one_must_be_full(tmp_path: Path) -> None:
    payload = LZ4_MAGIC + lz4_part(VMLINUX[:1000]) + lz4_part(VMLINUX[1000:])

    assert "a block before the last one unpacks to less than" in str(refusal(bzimage(payload, len(VMLINUX)), tmp_path))


@pytest.mark.parametrize("size", [0, 1, 1 << 24, 0xFFFFFFFF])
def test_an_lz4_block_with_a_wrong_size_is_an_error(size: int, tmp_path: Path) -> None:
    payload = LZ4_MAGIC + lz4_part(VMLINUX)[4:].join((size.to_bytes(4, "little"), b""))

    assert "lz4: " in str(refusal(bzimage(payload, len(VMLINUX)), tmp_path))


def test_a_dictionary_of_512_mib_is_refused(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 512 << 20}]
    payload = lzma.compress(VMLINUX, filters=filters)

    assert "lzma: Memory usage limit exceeded" in str(refusal(bzimage(payload, len(VMLINUX)), tmp_path))


def test_the_largest_dictionary_of_linux_is_accepted(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 128 << 20}]
    payload = lzma.compress(VMLINUX, filters=filters)

    assert VMLINUX == unpack(write_file(bzimage(payload, len(VMLINUX)), tmp_path), tmp_path).read_bytes()


@pytest.mark.parametrize("name", PACKERS)
def test_a_payload_that_unpacks_to_nothing_is_an_error_and_leaves_no_file(name: str, tmp_path: Path) -> None:
    assert "it does not unpack to an ELF file" in str(refusal(pack(name, b""), tmp_path))
    assert not (tmp_path / "vmlinux").exists()


def test_damaged_gzip_data_is_an_error_that_names_gzip(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(VMLINUX, mtime=0))
    packed[len(packed) // 2 :] = b"\xff" * (len(packed) - len(packed) // 2)

    assert "gzip: " in str(refusal(bzimage(bytes(packed), len(VMLINUX)), tmp_path))
