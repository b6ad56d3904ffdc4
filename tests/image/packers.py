"""Compress data in each format of a bzImage's payload, as the Linux build does."""

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable

import lz4.block  # type: ignore[import-untyped]  # no type hints
import zstandard

LZ4_MAGIC = b"\x02\x21\x4c\x18"
LZ4_BLOCK = 8 << 20


def lz4_legacy(data: bytes) -> bytes:
    """Compress as `lz4 -l` does: a magic number, then a block with its size for each 8 MiB of data."""
    return LZ4_MAGIC + b"".join(lz4_part(data[start : start + LZ4_BLOCK]) for start in range(0, len(data), LZ4_BLOCK))


def lz4_part(data: bytes) -> bytes:
    """Return one block of the legacy format: its size and its content."""
    block: bytes = lz4.block.compress(data, store_size=False)
    return struct.pack("<I", len(block)) + block


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_content_size=False).compress,
    "lz4": lz4_legacy,
}
