"""Multiboot headers in a file: QEMU starts one it finds before it looks for a PVH entry.

Source: the Multiboot Specification 0.6.96 and Multiboot2 2.0; QEMU hw/i386/multiboot.c.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from pvhdbg.image.header import Buffer, occurrences

MAGIC1, MAGIC2 = 0x1BADB002, 0xE85250D6
HAS_ADDRESSES = 1 << 16
"""The header says where to load the file: it isn't loaded as an ELF."""

SEARCHED1, SEARCHED2 = 8192, 32768
_ROOM1 = 48


class Multiboot(NamedTuple):
    """A header with a right checksum: its offset in the file, its flags (version 1) or architecture (version 2)."""

    offset: int
    flags: int


def multiboot1(data: Buffer, searched: int = SEARCHED1) -> Multiboot | None:
    """The header that QEMU finds. It leaves room for 12 words, whatever the flags ask for."""
    for offset in occurrences(data, MAGIC1.to_bytes(4, "little"), 0, min(searched - _ROOM1 + 3, len(data))):
        words = _words(data, offset, 3)
        if offset % 4 == 0 and sum(words) % (1 << 32) == 0:
            return Multiboot(offset, words[1])
    return None


def multiboot2(data: Buffer) -> Multiboot | None:
    """The header that a multiboot 2 loader finds; QEMU's `-kernel` knows none."""
    for offset in occurrences(data, MAGIC2.to_bytes(4, "little"), 0, min(SEARCHED2, len(data))):
        words = _words(data, offset, 4)
        if offset % 8 == 0 and sum(words) % (1 << 32) == 0:
            return Multiboot(offset, words[1])
    return None


def _words(data: Buffer, offset: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}I", data[offset : offset + 4 * count].ljust(4 * count, b"\0"))
