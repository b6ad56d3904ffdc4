"""The vmlinux inside a bzImage: found through the setup header, unpacked to a file.

Source: Linux Documentation/arch/x86/boot.rst, arch/x86/boot/compressed/Makefile and mkpiggy.c: whatever the format,
the payload's last four bytes are the size it unpacks to. LZ4's legacy frame, which the kernel uses and no Python
package reads, is a sequence of sizes and blocks (lz4_Frame_format.md); the blocks are left to lz4.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from pvhdbg.abi.setup_header import BOOT_FLAG, HDR, HDRS, SetupHeader
from pvhdbg.errors import GuestError, MachineError, UserError
from pvhdbg.image.header import MAGIC, Buffer, map_file

LARGEST = 512 << 20
"""Bytes that a payload may unpack to; Debian's kernels have about 60 MiB."""

_HEADER_END = HDR + SetupHeader.payload_length.end
_FIRST_WITH_PAYLOAD = 0x208
_SECTOR = 512
_SIZE_WORD = 4
_CHUNK = 4 << 20
_LZMA_MEMORY = 512 << 20
_LZ4_LEGACY = b"\x02\x21\x4c\x18"
_LZ4_BLOCK = 8 << 20

_HINT = "the file is damaged or was not copied whole"


class DamagedError(Exception):
    """A payload that does not unpack; the message says how."""


class Payload(NamedTuple):
    """The compressed vmlinux: offset in the file, length with the size word, and the size it unpacks to."""

    offset: int
    length: int
    unpacked: int


def is_bzimage(data: Buffer) -> bool:
    """The file has a Linux setup header for x86."""
    found = _header(data)
    return found.header == HDRS and found.boot_flag == BOOT_FLAG


def _header(data: Buffer) -> SetupHeader:
    return SetupHeader(data[HDR : HDR + SetupHeader.SIZE])


def find_payload(data: Buffer, path: str) -> Payload:
    """Where a bzImage's payload lies, by its setup header.

    :raise GuestError: if its boot protocol is older than 2.08 and does not tell.
    :raise UserError: if the file ends before the payload does, or that would unpack to more than LARGEST.
    """
    if len(data) < _HEADER_END:
        raise UserError(f"{path}: the setup header is cut off", _HINT)
    found = _header(data)
    version = found.version
    if version < _FIRST_WITH_PAYLOAD:
        raise GuestError(
            f"{path}: a bzImage of boot protocol {version >> 8}.{version & 0xFF:02}, which has no payload to unpack",
            "PVH needs Linux 4.11 or newer; give the vmlinux",
        )
    offset, length = ((found.setup_sects or 4) + 1) * _SECTOR + found.payload_offset, found.payload_length
    if length <= _SIZE_WORD or offset + length > len(data):
        raise UserError(f"{path}: the payload ends at {offset + length:#x}, the file at {len(data):#x}", _HINT)
    unpacked = _number(data, offset + length - _SIZE_WORD, _SIZE_WORD)
    if unpacked > LARGEST:
        raise UserError(f"{path}: the payload would unpack to {unpacked} bytes, {LARGEST} at most are allowed", _HINT)
    return Payload(offset, length, unpacked)


def unpack(path: str, folder: Path) -> Path:
    """Unpack the vmlinux of a bzImage into `folder`, as `vmlinux`.

    :raise UserError: if the file can't be read, is no bzImage, is damaged, or is compressed with LZO.
    :raise GuestError: if it is too old to say where its payload is.
    :raise MachineError: if the vmlinux can't be written.
    """
    with closing(map_file(path)) as data:
        if not is_bzimage(data):
            raise UserError(f"{path}: not a bzImage")
        payload = find_payload(data, path)
        packed = data[payload.offset : payload.offset + payload.length]
    target = folder / "vmlinux"
    try:
        _write(target, _unpacker(packed, path)(packed[:-_SIZE_WORD]), payload.unpacked)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise MachineError(f"{target}: {error.strerror}") from error
    except DamagedError as error:
        target.unlink(missing_ok=True)
        raise UserError(f"{path}: the payload at {payload.offset:#x} does not unpack: {error}", _HINT) from error
    return target


def _write(target: Path, chunks: Iterator[bytes], size: int) -> None:
    written = 0
    with target.open("wb") as file:
        for chunk in chunks:
            if written == 0 and not chunk.startswith(MAGIC):
                raise DamagedError("no ELF file comes out")
            written += len(chunk)
            if written > size:
                raise DamagedError(f"more than {size} bytes come out")
            file.write(chunk)
    if written < size:
        raise DamagedError(f"{written} bytes come out, {size} should")


def _unpacker(packed: bytes, path: str) -> Callable[[bytes], Iterator[bytes]]:
    for magic, unpacker in _UNPACKERS.items():
        if packed.startswith(magic):
            return unpacker
    if packed.startswith(b"\x89LZO"):
        raise UserError(
            f"{path}: compressed with LZO, which is not supported", "unpack it with scripts/extract-vmlinux"
        )
    raise UserError(f"{path}: the payload begins with {packed[:6].hex(' ')}: an unknown compression", _HINT)


def _gzip(packed: bytes) -> Iterator[bytes]:
    stream = zlib.decompressobj(wbits=31)
    try:
        while not stream.eof:
            chunk = stream.decompress(packed, _CHUNK)
            packed = stream.unconsumed_tail
            if not chunk and not packed:
                raise DamagedError("gzip: it ends too early")
            yield chunk
    except zlib.error as error:
        raise DamagedError(f"gzip: {error}") from error


def _bzip2(packed: bytes) -> Iterator[bytes]:
    try:
        yield from _decompressed(bz2.BZ2Decompressor(), packed)
    except OSError as error:
        raise DamagedError(f"bzip2: {error}") from error


def _lzma(packed: bytes) -> Iterator[bytes]:
    """Either of the xz and the older lzma format."""
    try:
        yield from _decompressed(lzma.LZMADecompressor(memlimit=_LZMA_MEMORY), packed)
    except lzma.LZMAError as error:
        raise DamagedError(f"lzma: {error}") from error


def _decompressed(stream: bz2.BZ2Decompressor | lzma.LZMADecompressor, packed: bytes) -> Iterator[bytes]:
    chunk = stream.decompress(packed, _CHUNK)
    while chunk:
        yield chunk
        chunk = b"" if stream.eof else stream.decompress(b"", _CHUNK)
    if not stream.eof:
        raise DamagedError("it ends too early")


def _zstd(packed: bytes) -> Iterator[bytes]:
    import zstandard

    try:
        with zstandard.ZstdDecompressor().stream_reader(packed) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except zstandard.ZstdError as error:
        raise DamagedError(f"zstd: {error}") from error


def _lz4(packed: bytes) -> Iterator[bytes]:
    import lz4.block  # type: ignore[import-untyped]  # it carries no types

    position = len(_LZ4_LEGACY)
    while position + _SIZE_WORD <= len(packed):
        size = _number(packed, position, _SIZE_WORD)
        position += _SIZE_WORD
        if position + size > len(packed):
            raise DamagedError(f"lz4: a block of {size} bytes reaches beyond the payload")
        try:
            yield lz4.block.decompress(packed[position : position + size], uncompressed_size=_LZ4_BLOCK)
        except lz4.block.LZ4BlockError as error:
            raise DamagedError(f"lz4: {error}") from error
        position += size


_UNPACKERS: dict[bytes, Callable[[bytes], Iterator[bytes]]] = {
    b"\x1f\x8b": _gzip,
    b"BZh": _bzip2,
    b"\xfd7zXZ\0": _lzma,
    b"\x5d\0\0": _lzma,
    b"\x28\xb5\x2f\xfd": _zstd,
    _LZ4_LEGACY: _lz4,
}


def _number(data: Buffer, offset: int, size: int) -> int:
    return int.from_bytes(data[offset : offset + size], "little")
