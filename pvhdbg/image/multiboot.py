"""Find multiboot headers. QEMU boots a file with a multiboot header via multiboot and ignores its PVH entry.

Source: the Multiboot Specification 0.6.96 and Multiboot2 2.0; QEMU hw/i386/multiboot.c.
"""

from __future__ import annotations

import struct

from pvhdbg.image.file import Buffer, occurrences
from pvhdbg.named_tuple import NamedTuple

MAGIC1, MAGIC2 = 0x1BADB002, 0xE85250D6
HAS_ADDRESSES = 1 << 16
"""The flag for load addresses in the header. If it is set, the file is not loaded as an ELF file."""

SEARCHED1, SEARCHED2 = 8192, 32768
"""The number of bytes at the start of the file in which a loader looks for a header of version 1 or 2."""
_HEADER1_SIZE = 48


class Multiboot(NamedTuple):
    """A header with a valid checksum: its offset in the file, and its flags (version 1) or architecture (version 2)."""

    offset: int
    flags: int


def find_multiboot1(data: Buffer, searched: int = SEARCHED1) -> Multiboot | None:
    """Return the multiboot 1 header that QEMU finds in the first `searched` bytes of the file; None if there is none.

    QEMU expects that all 12 words of a header are within these bytes, even if the flags require fewer words.
    """
    for offset in occurrences(data, MAGIC1.to_bytes(4, "little"), 0, min(searched - _HEADER1_SIZE + 3, len(data))):
        words = _words(data, offset, 3)
        if offset % 4 == 0 and sum(words) % (1 << 32) == 0:
            return Multiboot(offset, words[1])
    return None


def find_multiboot2(data: Buffer) -> Multiboot | None:
    """Return the header that a multiboot 2 loader finds; None if there is none. QEMU's `-kernel` ignores it."""
    for offset in occurrences(data, MAGIC2.to_bytes(4, "little"), 0, min(SEARCHED2, len(data))):
        words = _words(data, offset, 4)
        if offset % 8 == 0 and sum(words) % (1 << 32) == 0:
            return Multiboot(offset, words[1])
    return None


def _words(data: Buffer, offset: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}I", data[offset : offset + 4 * count].ljust(4 * count, b"\0"))
