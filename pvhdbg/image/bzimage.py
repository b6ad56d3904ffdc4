"""Unpack the vmlinux in a bzImage, or in a compressed file, to a file.

Source: Linux Documentation/arch/x86/boot.rst, arch/x86/boot/compressed/Makefile and mkpiggy.c. In every format, the
last four bytes of the payload are the size of the unpacked vmlinux. The kernel uses the legacy frame format of LZ4,
which no Python package supports: a sequence of sizes and blocks (lz4_Frame_format.md). This module parses the frame,
and the lz4 package unpacks the blocks. A file that was compressed with a command such as gzip has no size word, and may
consist of several streams (pbzip2, pzstd).
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from time import thread_time
from typing import IO, Protocol, cast

from pvhdbg.abi.setup_header import BOOT_FLAG, HDR, HDRS, SetupHeader
from pvhdbg.abi.text import printable
from pvhdbg.errors import GuestError, MachineError, UserError
from pvhdbg.image.file import DAMAGED_FILE, Buffer, number_at, open_file
from pvhdbg.image.header import MAGIC
from pvhdbg.named_tuple import NamedTuple

MAX_UNPACKED = 512 << 20
"""The largest allowed size of an unpacked payload, in bytes. Debian's kernels have about 60 MiB."""

_HEADER_END = HDR + SetupHeader.payload_length.end
_PAYLOAD_VERSION = 0x208
_SECTOR = 512
_SIZE_WORD = 4
_MAGIC_SIZE = 6
_VERSION_BASE, _LONGEST_VERSION = 0x200, 64
_ONLY_ELF = "pass an ELF file, which may be compressed, or a Linux bzImage"
_UNPACK_FIRST = "unpack the file yourself, and pass the ELF file"
_PIECE, _CHUNK = 256 << 10, 1 << 20
"""The most bytes that are passed to a decompressor, and taken from it, at once."""
_LZMA_MEMORY = 144 << 20
"""The memory limit for unpacking xz. It is sufficient for the largest dictionary that Linux uses, 128 MiB."""
_LZ4_LEGACY = b"\x02\x21\x4c\x18"
_LZO = b"\x89LZO"
_LZ4_BLOCK = 8 << 20
_LZ4_PACKED = _LZ4_BLOCK + _LZ4_BLOCK // 255 + 16
"""The largest size of a block that can't be compressed."""

_CPU_SECONDS = 1.0
"""The time limit for a payload that is larger than that of any kernel. Debian's largest kernel (xz) takes 0.8 s."""
_ORDINARY, _ORDINARY_BZIP2 = 80 << 20, 8 << 20
"""There is no time limit up to this unpacked size and a sixth of it as packed size, because a computer may be slow.
bzip2 has a lower limit, because it unpacks random data at only 8 MB/s.
"""


class _Decompressor(Protocol):
    """A decompressor of one stream, from bz2, lzma or lz4.frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class DamagedError(Exception):
    """The payload can't be unpacked. The message is the reason. `hint` is empty if the payload is damaged."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint


class Payload(NamedTuple):
    """The compressed vmlinux: its offset in the file, its length including the size word, and its unpacked size."""

    offset: int
    length: int
    unpacked: int


def is_bzimage(data: Buffer) -> bool:
    """Return whether the file has a Linux setup header for x86."""
    header = _header(data)
    return header.header == HDRS and header.boot_flag == BOOT_FLAG


def _header(data: Buffer) -> SetupHeader:
    return SetupHeader(data[HDR : HDR + SetupHeader.SIZE])


def find_payload(data: Buffer, path: str) -> Payload:
    """Locate a bzImage's payload through its setup header.

    :raise GuestError: if the file has no payload: it is not Linux (memtest86+), or its boot protocol is older than
        2.08, which introduced the payload fields.
    :raise UserError: if the payload is not inside the file, or would unpack to more than MAX_UNPACKED bytes.
    """
    if len(data) < _HEADER_END:
        raise UserError(f"{path}: the setup header is truncated", DAMAGED_FILE)
    header = _header(data)
    version = header.version
    if version < _PAYLOAD_VERSION:
        raise GuestError(
            f"{path}: a bzImage with boot protocol {version >> 8}.{version & 0xFF:02}, which has no payload to unpack",
            "pass the vmlinux of a newer kernel: PVH needs Linux 4.11 or later",
        )
    if not header.payload_length:
        raise GuestError(
            f"{path}: an image for the Linux boot protocol without a vmlinux inside: {_version_text(data, header)}",
            "pass an ELF file with a PHYS32_ENTRY note; QEMU alone boots this image with -kernel",
        )
    offset, length = ((header.setup_sects or 4) + 1) * _SECTOR + header.payload_offset, header.payload_length
    if length <= _SIZE_WORD or offset + length > len(data):
        where = f"{length} bytes at {offset:#x} of a file of {len(data):#x} bytes"
        raise UserError(f"{path}: invalid payload: {where}", DAMAGED_FILE)
    unpacked = number_at(data, offset + length - _SIZE_WORD, _SIZE_WORD)
    if unpacked > MAX_UNPACKED:
        reason = f"the payload would unpack to {unpacked} bytes, more than the limit of {MAX_UNPACKED}"
        raise UserError(f"{path}: {reason}", DAMAGED_FILE)
    return Payload(offset, length, unpacked)


def _version_text(data: Buffer, header: SetupHeader) -> str:
    """Return the version in the setup header, in quotes. Real images contain a short line of ASCII."""
    start = header.kernel_version + _VERSION_BASE
    text = data[start : start + _LONGEST_VERSION].partition(b"\0")[0] if header.kernel_version else b""
    return f'"{printable(text)}"' if text else "it has no version"


def compression(data: Buffer) -> str | None:
    """Return the name of the format in which a file is compressed; None if it is in none of them."""
    first = data[:_MAGIC_SIZE]
    return next((name for magic, name in _NAMES.items() if first.startswith(magic)), None)


def unpack_file(path: str, folder: Path) -> Path:
    """Unpack a compressed ELF file to the file `vmlinux` in `folder`, and return its path.

    :raise UserError: if the file can't be read, is damaged or too large, is compressed with LZO, or is not an ELF file.
    :raise MachineError: if the ELF file can't be written.
    """
    with closing(open_file(path)) as data:
        packed = _Packed(data, 0, len(data))
        return _unpack(packed, folder / "vmlinux", path, f"can't unpack the {compression(data)} file", None)


def unpack(path: str, folder: Path) -> Path:
    """Unpack the vmlinux of a bzImage to the file `vmlinux` in `folder`, and return its path.

    :raise UserError: if the file can't be read, is not a bzImage, is damaged, or is compressed with LZO.
    :raise GuestError: if the boot protocol is older than 2.08.
    :raise MachineError: if the vmlinux can't be written.
    """
    with closing(open_file(path)) as data:
        if not is_bzimage(data):
            raise UserError(f"{path}: not a bzImage")
        payload = find_payload(data, path)
        packed = _Packed(data, payload.offset, payload.offset + payload.length - _SIZE_WORD)
        reason = f"can't unpack the payload at {payload.offset:#x}"
        return _unpack(packed, folder / "vmlinux", path, reason, payload.unpacked)


def _unpack(packed: _Packed, target: Path, path: str, reason: str, size: int | None) -> Path:
    """Unpack to `target`. `size` is the size of the result, None if it is not known."""
    try:
        _write(target, _checked(_chunks(packed, path, is_file=size is None), size))
    except OSError as error:
        raise MachineError(f"{target}: {error.strerror}") from error
    except DamagedError as error:
        hint = error.hint or DAMAGED_FILE
        raise UserError(f"{path}: {reason}: {error}", hint) from error
    return target


class _Packed:
    """A file object that reads a payload without its size word. The bytes are in memory only while they are read."""

    def __init__(self, data: Buffer, start: int, end: int) -> None:
        self._data = data
        self._start, self._end = start, end
        self._position = start

    @property
    def consumed(self) -> int:
        return self._position - self._start

    def peek(self, size: int) -> bytes:
        return self._data[self._position : min(self._position + size, self._end)]

    def read(self, size: int) -> bytes:
        piece = self.peek(size)
        self._position += len(piece)
        return piece

    def unread(self, size: int) -> None:
        """Take back the last bytes that were read."""
        self._position -= size


def _write(target: Path, chunks: Iterator[bytes]) -> None:
    try:
        with target.open("wb") as file:
            file.writelines(chunks)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _checked(chunks: Iterator[bytes], size: int | None) -> Iterator[bytes]:
    """Yield the chunks unchanged.

    :raise DamagedError: if they are not an ELF file of this size, or of at most MAX_UNPACKED bytes if `size` is None.
    """
    hint, most = ("", size) if size is not None else (_UNPACK_FIRST, MAX_UNPACKED)
    written = 0
    for chunk in chunks:
        if written == 0 and not chunk.startswith(MAGIC):
            raise DamagedError("it does not unpack to an ELF file", hint and _ONLY_ELF)
        written += len(chunk)
        if written > most:
            raise DamagedError(f"it unpacks to more than {most} bytes", hint)
        yield chunk
    if written == 0:
        raise DamagedError("it does not unpack to an ELF file")
    if size is not None and written < size:
        raise DamagedError(f"it unpacks to {written} bytes instead of {size}")


def _chunks(packed: _Packed, path: str, *, is_file: bool) -> Iterator[bytes]:
    """Yield the chunks of the unpacked payload. A file may have several streams.

    :raise UserError: if the payload is larger than that of any kernel, and unpacking it takes too long.
    """
    unpacker = _unpacker(packed.peek(_MAGIC_SIZE), path)
    ordinary = _ORDINARY_BZIP2 if unpacker is _bzip2 else _ORDINARY
    began, size = thread_time(), 0
    for chunk in _streams(packed, unpacker) if is_file else unpacker(packed):
        size += len(chunk)
        if max(size, 6 * packed.consumed) > ordinary and thread_time() - began > _CPU_SECONDS:
            raise UserError(
                f"{path}: unpacking the payload takes longer than {_CPU_SECONDS:.0f} s of CPU time",
                _UNPACK_FIRST if is_file else "unpack it with Linux's scripts/extract-vmlinux, and pass the vmlinux",
            )
        if chunk:
            yield chunk


def _streams(packed: _Packed, unpacker: Callable[[_Packed], Iterator[bytes]]) -> Iterator[bytes]:
    """Yield the chunks of all streams of a file. What follows them, such as padding, is ignored."""
    while True:
        before = packed.consumed
        yield from unpacker(packed)
        magic = packed.peek(_MAGIC_SIZE)
        if packed.consumed == before or _UNPACKERS.get(next(filter(magic.startswith, _UNPACKERS), b"")) is not unpacker:
            return


def _unpacker(first: bytes, path: str) -> Callable[[_Packed], Iterator[bytes]]:
    for magic, unpacker in _UNPACKERS.items():
        if first.startswith(magic):
            return unpacker
    if first.startswith(_LZO):
        raise UserError(
            f"{path}: compressed with LZO, which is not supported",
            "unpack the file with lzop, or a bzImage with Linux's scripts/extract-vmlinux, and pass the vmlinux",
        )
    raise UserError(f"{path}: unknown compression: the payload begins with {first.hex(' ')}", DAMAGED_FILE)


def _gzip(packed: _Packed) -> Iterator[bytes]:
    stream = zlib.decompressobj(wbits=31)
    try:
        while not stream.eof:
            piece = stream.unconsumed_tail or packed.read(_PIECE)
            chunk = stream.decompress(piece, _CHUNK)
            if not chunk and not piece:
                raise DamagedError("gzip: unexpected end of data")
            yield chunk
    except zlib.error as error:
        raise DamagedError(f"gzip: {error}") from error
    packed.unread(len(stream.unused_data))


def _bzip2(packed: _Packed) -> Iterator[bytes]:
    try:
        yield from _decompressed(bz2.BZ2Decompressor(), packed)
    except OSError as error:
        raise DamagedError(f"bzip2: {error}") from error


def _lzma(packed: _Packed) -> Iterator[bytes]:
    """Unpack the xz format or the older lzma format."""
    try:
        yield from _decompressed(lzma.LZMADecompressor(memlimit=_LZMA_MEMORY), packed)
    except lzma.LZMAError as error:
        raise DamagedError(f"lzma: {error}") from error


def _decompressed(stream: _Decompressor, packed: _Packed) -> Iterator[bytes]:
    while not stream.eof:
        piece = packed.read(_PIECE) if stream.needs_input else b""
        chunk = stream.decompress(piece, _CHUNK)
        if not chunk and not piece:
            raise DamagedError("unexpected end of data")
        yield chunk
    packed.unread(len(stream.unused_data or b""))


def _zstd(packed: _Packed) -> Iterator[bytes]:
    import zstandard

    try:
        with zstandard.ZstdDecompressor().stream_reader(
            cast("IO[bytes]", packed), read_size=_PIECE, read_across_frames=True
        ) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except zstandard.ZstdError as error:
        raise DamagedError(f"zstd: {error}") from error


def _lz4(packed: _Packed) -> Iterator[bytes]:
    """Unpack the blocks. Only the last block may unpack to less than 8 MiB, so the number of blocks is limited."""
    import lz4.block  # type: ignore[import-untyped]  # no type hints

    packed.read(len(_LZ4_LEGACY))
    is_last = False
    while len(word := packed.read(_SIZE_WORD)) == _SIZE_WORD:
        size = number_at(word, 0, _SIZE_WORD)
        block = packed.read(min(size, _LZ4_PACKED))
        if len(block) < size:
            raise DamagedError(f"lz4: a block of {size} bytes extends past the end of the payload")
        if is_last:
            raise DamagedError(f"lz4: a block before the last one unpacks to less than {_LZ4_BLOCK} bytes")
        try:
            chunk = lz4.block.decompress(block, uncompressed_size=_LZ4_BLOCK)
        except lz4.block.LZ4BlockError as error:
            raise DamagedError(f"lz4: {error}") from error
        is_last = len(chunk) < _LZ4_BLOCK
        yield chunk


def _lz4_frame(packed: _Packed) -> Iterator[bytes]:
    """Unpack the frame format that the command lz4 writes by default."""
    import lz4.frame  # type: ignore[import-untyped]  # no type hints

    try:
        yield from _decompressed(lz4.frame.LZ4FrameDecompressor(), packed)
    except RuntimeError as error:
        raise DamagedError(f"lz4: {error}") from error


_FORMATS: tuple[tuple[bytes, str, Callable[[_Packed], Iterator[bytes]] | None], ...] = (
    (b"\x1f\x8b", "gzip", _gzip),
    (b"BZh", "bzip2", _bzip2),
    (b"\xfd7zXZ\0", "xz", _lzma),
    (b"\x5d\0\0", "lzma", _lzma),
    (b"\x28\xb5\x2f\xfd", "zstd", _zstd),
    (_LZ4_LEGACY, "LZ4", _lz4),
    (b"\x04\x22\x4d\x18", "LZ4", _lz4_frame),
    (_LZO, "LZO", None),
)
"""The first bytes of each format, its name, and its unpacker; None if it is not supported."""
_UNPACKERS = {magic: unpacker for magic, _, unpacker in _FORMATS if unpacker}
_NAMES = {magic: name for magic, name, _ in _FORMATS}
