"""A segment descriptor, field by field. A segment register has the same fields in its hidden part.

Source: Intel SDM volume 3A, 3.4.5 (figure 3-8, segment descriptor; table 3-1, types of code and data), 3.5 (table 3-2,
types of system segments), and the 16-byte TSS and LDT descriptors of 64-bit mode, 8.2.3 (figure 8-4).
"""

from __future__ import annotations

from pvhdbg.abi.cpu import segment_kind
from pvhdbg.named_tuple import NamedTuple

SIZE, SYSTEM_SIZE_64 = 8, 16
"""The size of a descriptor, and of a system descriptor in long mode, in bytes."""
_PAGE_SHIFT = 12


class DescriptorField(NamedTuple):
    """A field of a descriptor. `parts` are (first bit, number of bits), the low part first.

    `values` has what each value means, as far as that is not the number itself.
    """

    name: str
    parts: tuple[tuple[int, int], ...]
    values: tuple[str, ...] = ()

    def of(self, raw: int) -> int:
        """Return the value of the field in a descriptor."""
        value = shift = 0
        for first, bits in self.parts:
            value |= (raw >> first & (1 << bits) - 1) << shift
            shift += bits
        return value


# fmt: off
FIELDS = (
    DescriptorField("base", ((16, 24), (56, 8))),
    DescriptorField("limit", ((0, 16), (48, 4))),
    DescriptorField("type", ((40, 4),)),
    DescriptorField("S", ((44, 1),), ("system segment or gate", "code or data")),
    DescriptorField("DPL", ((45, 2),), ("kernel", "", "", "user")),
    DescriptorField("P", ((47, 1),), ("not present", "present")),
    DescriptorField("AVL", ((52, 1),)),
    DescriptorField("L", ((53, 1),), ("not 64-bit code", "64-bit code")),
    DescriptorField("D/B", ((54, 1),), ("not 32-bit", "32-bit code or stack")),
    DescriptorField("G", ((55, 1),), ("the limit counts bytes", "the limit counts 4 KiB")),
)
# fmt: on
_BY_NAME = {field.name: field for field in FIELDS}


class Descriptor(NamedTuple):
    """A descriptor. `raw` is its 8 bytes as a number, and `base_high` has bits 32 to 63 of the base."""

    raw: int
    base_high: int = 0

    def value(self, name: str) -> int:
        """Return the value of a field, as it is stored."""
        value = _BY_NAME[name].of(self.raw)
        return value | self.base_high << 32 if name == "base" else value

    @property
    def base(self) -> int:
        return self.value("base")

    @property
    def limit(self) -> int:
        """The offset of the segment's last byte."""
        limit = self.value("limit")
        return limit << _PAGE_SHIFT | 0xFFF if self.value("G") else limit

    @property
    def flags(self) -> int:
        """Bits 8 to 15 and 20 to 23 of the second word, as QEMU's monitor prints them."""
        return self.raw >> 32 & 0x00F0FF00

    @property
    def is_present(self) -> bool:
        return bool(self.value("P"))

    @property
    def is_system(self) -> bool:
        return not self.value("S")

    @property
    def kind(self) -> str:
        """The kind of segment in words: `32-bit code`."""
        return segment_kind(self.flags)

    @property
    def rights(self) -> str:
        """What the type of a code or data segment allows; empty for a system segment."""
        kind = self.value("type")
        if self.is_system:
            return ""
        if kind & 8:
            words = ("execute, read" if kind & 2 else "execute only", "conforming" if kind & 4 else "")
        else:
            words = ("read, write" if kind & 2 else "read only", "expands down" if kind & 4 else "")
        return ", ".join(filter(None, (*words, "accessed" if kind & 1 else "not accessed")))


def decode(raw: bytes) -> Descriptor:
    """Decode the 8 bytes of a descriptor, or the 16 bytes of a system descriptor in long mode."""
    return Descriptor(int.from_bytes(raw[:SIZE], "little"), int.from_bytes(raw[SIZE : SIZE + 4], "little"))


def hidden(base: int, limit: int, flags: int) -> Descriptor:
    """Return the descriptor with the fields of a segment register's hidden part. `limit` is in bytes."""
    unit = limit >> _PAGE_SHIFT if flags >> 23 & 1 else limit
    low = unit & 0xFFFF | (base & 0xFFFFFF) << 16
    high = flags & 0x00F0FF00 | unit & 0xF0000 | base & 0xFF000000 | base >> 16 & 0xFF
    return Descriptor(low & 0xFFFFFFFF | high << 32, base >> 32)
