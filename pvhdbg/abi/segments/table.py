"""A descriptor table: its entries, and which one a selector names.

Source: Intel SDM volume 3A, 3.4.2 (figure 3-6, segment selector) and 3.5.1 (descriptor tables).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.segments.descriptor import SIZE, SYSTEM_SIZE_64, Descriptor, decode
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Entry(NamedTuple):
    """An entry of a table: its number, the bytes, and what they mean."""

    number: int
    raw: bytes
    descriptor: Descriptor

    @property
    def selector(self) -> int:
        """The selector that names the entry, for privilege level 0."""
        return self.number * SIZE

    @property
    def is_empty(self) -> bool:
        return not any(self.raw)


class Selector(NamedTuple):
    """A selector: the number of an entry, whether that is in the LDT, and the requested privilege level."""

    number: int
    is_local: bool
    privilege: int

    @property
    def is_null(self) -> bool:
        """Whether the selector names no segment."""
        return not self.number and not self.is_local


def selector(value: int) -> Selector:
    return Selector(value >> 3 & 0x1FFF, bool(value >> 2 & 1), value & 3)


def entries(data: bytes, *, is_long: bool) -> Iterator[Entry]:
    """Yield the entries of a table. In long mode (`is_long`), a system descriptor takes the place of two."""
    at = 0
    while at + SIZE <= len(data):
        size = SIZE
        one = decode(data[at : at + size])
        if is_long and one.is_system and one.is_present and at + SYSTEM_SIZE_64 <= len(data):
            size = SYSTEM_SIZE_64
            one = decode(data[at : at + size])
        yield Entry(at // SIZE, data[at : at + size], one)
        at += size
