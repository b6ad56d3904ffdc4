"""Unpack the vmlinux in a bzImage to a file.

Source: Linux Documentation/arch/x86/boot.rst, arch/x86/boot/compressed/Makefile and mkpiggy.c: in every format, the
last four bytes of the payload are the size it unpacks to. The kernel uses LZ4's legacy frame, which no Python package
reads: a sequence of sizes and blocks (lz4_Frame_format.md). It is parsed here, and lz4 unpacks the blocks.
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
from pvhdbg.image.header import DAMAGED_FILE, MAGIC, Buffer, map_file

MAX_UNPACKED = 512 << 20
"""Most bytes that a payload may unpack to; Debian's kernels have about 60 MiB."""

_HEADER_END = HDR + SetupHeader.payload_length.end
_PAYLOAD_VERSION = 0x208
_SECTOR = 512
_SIZE_WORD = 4
_CHUNK = 4 << 20
_LZMA_MEMORY = 512 << 20
_LZ4_LEGACY = b"\x02\x21\x4c\x18"
_LZ4_BLOCK = 8 << 20


class DamagedError(Exception):
    """The payload can't be unpacked; the message says why."""


class Payload(NamedTuple):
    """The compressed vmlinux: offset in the file, length including the size word, and the size it unpacks to."""

    offset: int
    length: int
    unpacked: int


def is_bzimage(data: Buffer) -> bool:
    """Say whether the file has a Linux setup header for x86."""
    header = _header(data)
    return header.header == HDRS and header.boot_flag == BOOT_FLAG


def _header(data: Buffer) -> SetupHeader:
    return SetupHeader(data[HDR : HDR + SetupHeader.SIZE])


def find_payload(data: Buffer, path: str) -> Payload:
    """Locate a bzImage's payload through its setup header.

    :raise GuestError: if its boot protocol is older than 2.08, which has no payload fields.
    :raise UserError: if the payload is not inside the file, or would unpack to more than MAX_UNPACKED bytes.
    """
    if len(data) < _HEADER_END:
        raise UserError(f"{path}: the setup header is truncated", DAMAGED_FILE)
    header = _header(data)
    version = header.version
    if version < _PAYLOAD_VERSION:
        raise GuestError(
            f"{path}: a bzImage of boot protocol {version >> 8}.{version & 0xFF:02}, which has no payload to unpack",
            "pass the vmlinux; PVH needs Linux 4.11 or newer",
        )
    offset, length = ((header.setup_sects or 4) + 1) * _SECTOR + header.payload_offset, header.payload_length
    if length <= _SIZE_WORD or offset + length > len(data):
        where = f"{length} bytes at {offset:#x} of a file of {len(data):#x} bytes"
        raise UserError(f"{path}: invalid payload: {where}", DAMAGED_FILE)
    unpacked = _number(data, offset + length - _SIZE_WORD, _SIZE_WORD)
    if unpacked > MAX_UNPACKED:
        reason = f"the payload would unpack to {unpacked} bytes, more than the limit of {MAX_UNPACKED}"
        raise UserError(f"{path}: {reason}", DAMAGED_FILE)
    return Payload(offset, length, unpacked)


def unpack(path: str, folder: Path) -> Path:
    """Unpack the vmlinux of a bzImage to the file `vmlinux` in `folder`, and return its path.

    :raise UserError: if the file can't be read, is not a bzImage, is damaged, or is compressed with LZO.
    :raise GuestError: if its boot protocol is older than 2.08.
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
        raise UserError(f"{path}: can't unpack the payload at {payload.offset:#x}: {error}", DAMAGED_FILE) from error
    return target


def _write(target: Path, chunks: Iterator[bytes], size: int) -> None:
    written = 0
    with target.open("wb") as file:
        for chunk in chunks:
            if written == 0 and not chunk.startswith(MAGIC):
                raise DamagedError("it does not unpack to an ELF file")
            written += len(chunk)
            if written > size:
                raise DamagedError(f"it unpacks to more than {size} bytes")
            file.write(chunk)
    if written < size:
        raise DamagedError(f"it unpacks to {written} bytes instead of {size}")


def _unpacker(packed: bytes, path: str) -> Callable[[bytes], Iterator[bytes]]:
    for magic, unpacker in _UNPACKERS.items():
        if packed.startswith(magic):
            return unpacker
    if packed.startswith(b"\x89LZO"):
        raise UserError(
            f"{path}: compressed with LZO, which is not supported", "unpack it with Linux's scripts/extract-vmlinux"
        )
    raise UserError(f"{path}: unknown compression: the payload begins with {packed[:6].hex(' ')}", DAMAGED_FILE)


def _gzip(packed: bytes) -> Iterator[bytes]:
    stream = zlib.decompressobj(wbits=31)
    try:
        while not stream.eof:
            chunk = stream.decompress(packed, _CHUNK)
            packed = stream.unconsumed_tail
            if not chunk and not packed:
                raise DamagedError("gzip: unexpected end of data")
            yield chunk
    except zlib.error as error:
        raise DamagedError(f"gzip: {error}") from error


def _bzip2(packed: bytes) -> Iterator[bytes]:
    try:
        yield from _decompressed(bz2.BZ2Decompressor(), packed)
    except OSError as error:
        raise DamagedError(f"bzip2: {error}") from error


def _lzma(packed: bytes) -> Iterator[bytes]:
    """Unpack the xz or the older lzma format."""
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
        raise DamagedError("unexpected end of data")


def _zstd(packed: bytes) -> Iterator[bytes]:
    import zstandard

    try:
        with zstandard.ZstdDecompressor().stream_reader(packed) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except zstandard.ZstdError as error:
        raise DamagedError(f"zstd: {error}") from error


def _lz4(packed: bytes) -> Iterator[bytes]:
    import lz4.block  # type: ignore[import-untyped]  # no type hints

    position = len(_LZ4_LEGACY)
    while position + _SIZE_WORD <= len(packed):
        size = _number(packed, position, _SIZE_WORD)
        position += _SIZE_WORD
        if position + size > len(packed):
            raise DamagedError(f"lz4: a block of {size} bytes extends past the end of the payload")
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
