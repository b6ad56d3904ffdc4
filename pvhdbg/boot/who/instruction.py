"""What one instruction reads and writes: its operands, and registers that it uses without naming them.

Registers have the names of their 64-bit forms: `al`, `ax`, `eax` and `rax` are all `rax`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

COPIES = frozenset(("mov", "movabs", "movzx", "push", "pop")) | frozenset(
    f"{name}{size}" for name in ("movs", "stos", "lods") for size in "bwdq"
)
"""Instructions whose result is their source operand, unchanged or extended with zeros."""
COMPUTES = frozenset(
    (
        "add",
        "adc",
        "sub",
        "sbb",
        "inc",
        "dec",
        "neg",
        "not",
        "and",
        "or",
        "xor",
        "shl",
        "shr",
        "sar",
        "sal",
        "rol",
        "ror",
    )
) | frozenset(("lea", "imul", "mul", "shld", "shrd", "bts", "btr", "btc", "xadd"))
"""Instructions whose result is not one of their operands, but computed from them."""


class Register(NamedTuple):
    """A register operand. `size` is in bytes. `is_high` marks `ah`, `bh`, `ch` and `dh`."""

    name: str
    size: int
    is_read: bool
    is_written: bool
    is_high: bool = False


class Memory(NamedTuple):
    """A memory operand: its address is base + scaled * scale + displacement. `size` is in bytes.

    `segment` is a segment register whose base counts: only fs and gs in long mode.
    """

    base: str | None
    scaled: str | None
    scale: int
    displacement: int
    segment: str | None
    size: int
    is_read: bool
    is_written: bool


class Instruction(NamedTuple):
    """One instruction at a linear address. `bits` is the size of its addresses: 16, 32 or 64.

    `name` is its mnemonic without prefixes. `reads` and `writes` are all its registers, without the flags and the
    instruction pointer. `stores_immediate` tells whether a constant in the instruction is its source operand.
    """

    address: int
    size: int
    name: str
    text: str
    bits: int
    registers: tuple[Register, ...]
    memory: tuple[Memory, ...]
    reads: frozenset[str]
    writes: frozenset[str]
    stores_immediate: bool
    is_repeated: bool

    @property
    def end(self) -> int:
        return self.address + self.size

    @property
    def is_string(self) -> bool:
        """Whether this is an instruction that a prefix can repeat, and that moves rsi or rdi."""
        return self.name[:-1] in ("movs", "stos", "lods", "cmps", "scas") and bool(self.memory)

    @property
    def is_repeated_string(self) -> bool:
        """Whether this is a string instruction with a prefix that repeats it."""
        return self.is_repeated and self.is_string

    def repetitions(self, before: Mapping[str, int], after: Mapping[str, int]) -> int:
        """Return how often a repeated string instruction was executed between two moments; 1 for any other one."""
        return (before["rcx"] - after["rcx"]) & ((1 << self.bits) - 1) if self.is_repeated_string else 1

    @property
    def is_zero_idiom(self) -> bool:
        """Whether the result is 0 whatever the operands are: `xor eax, eax`."""
        same = len(self.registers) == 2 and self.registers[0].name == self.registers[1].name
        return same and self.name in ("xor", "sub")

    def address_of(self, operand: Memory, registers: Mapping[str, int]) -> int:
        """Return the linear address of an operand, computed with these registers. `rip` is the next instruction."""
        known = {**registers, "rip": self.end}
        address = operand.displacement + known.get(operand.base or "", 0)
        address += known.get(operand.scaled or "", 0) * operand.scale
        address &= (1 << self.bits) - 1
        if operand.segment is not None:
            address += known.get(f"{operand.segment}_base", 0)
        return address & ((1 << (64 if self.bits == 64 else 32)) - 1)
