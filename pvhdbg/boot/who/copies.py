"""Follow the values that were read from boot data: which registers, and which memory, hold a copy of them.

pvhdbg follows what each instruction reads and writes. A value that an instruction computed is not a copy any more,
and an instruction that is not known makes it uncertain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.who.access import COMPUTED, IMMEDIATE, PERHAPS, REGISTER, Origin
from pvhdbg.boot.who.instruction import COMPUTES, COPIES
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pvhdbg.boot.who.instruction import Instruction, Memory, Register

_UNKNOWN = Origin(PERHAPS)
_CONSTANT = Origin(COMPUTED)
_STACK, _WIDEST = "rsp", 8


class Value(NamedTuple):
    """What a register or memory holds: bytes of the origin, extended with zeros. Its low `width` bytes are known."""

    origin: Origin
    width: int

    def cut(self, size: int) -> Value:
        """Return the low `size` bytes of this value."""
        return Value(self.origin._replace(size=min(self.origin.size, size)), min(self.width, size))


class Place(NamedTuple):
    """A memory operand with its physical address, and its size including repetitions.

    `paddr` is None if the address is not known.
    """

    operand: Memory
    paddr: int | None
    size: int


class Copies:
    """Values that were read from boot data, as far as they were followed."""

    def __init__(self) -> None:
        self.registers: dict[str, Value] = {}
        self._memory: dict[int, Value] = {}
        self._pushed: set[int] = set()
        self._lost: set[int] = set()
        self._lost_memory = False

    @property
    def followed(self) -> bool:
        """Whether any register holds a value that was read from boot data."""
        return bool(self.registers)

    def give_up(self, registers: Mapping[str, int]) -> None:
        """Stop following, because instructions will run that are not observed. `registers` are the values now.

        A value that is stored later may be one of those that were followed.
        """
        for name, value in self.registers.items():
            if value.origin.confidence in (REGISTER, PERHAPS):
                size = value.origin.size or _WIDEST
                self._lost.add(registers.get(name, 0) & ((1 << 8 * size) - 1))
        self._lost_memory = self._lost_memory or bool(self._memory)
        self.registers.clear()
        self._memory.clear()

    def may_be_lost(self, data: bytes) -> bool:
        """Return whether this value may be one that was not followed any further."""
        value, mask = int.from_bytes(data[:_WIDEST], "little"), (1 << 8 * min(len(data), _WIDEST)) - 1
        return self._lost_memory or any(value == lost & mask for lost in self._lost)

    def follow(self, instruction: Instruction, places: Sequence[Place], is_input: Sequence[bool]) -> Origin | None:
        """Take over what an instruction did. Return the origin of what it stored; None if it stored nothing.

        `is_input` tells for each place whether it is boot data.
        """
        value, size = self._result(instruction, places, is_input)
        written = instruction.writes | {register.name for register in instruction.registers if register.is_written}
        for name in written - {_STACK}:
            self._set_register(instruction, name, value, size)
        stored = [(place, known) for place, known in zip(places, is_input, strict=True) if place.operand.is_written]
        for place, known in stored:
            self._set_memory(place, None if known else value)  # boot data itself is watched
            if known and place.paddr is not None:
                self._use_as_stack(place.paddr, place.size, is_stack=instruction.name in ("push", "call"))
        return self._stored(instruction, stored[0][0].operand.size, value) if stored else None

    def _result(
        self, instruction: Instruction, places: Sequence[Place], is_input: Sequence[bool]
    ) -> tuple[Value | None, int]:
        """Return what the instruction's result is made of, and the size of its source operand in bytes.

        The result is None if nothing of it was read from boot data.
        """
        if instruction.is_zero_idiom:
            return None, 0
        read = [(self._at(place, known), place.operand.size) for place, known in zip(places, is_input, strict=True)]
        sources = [source for source, place in zip(read, places, strict=True) if place.operand.is_read]
        sources += [(self._of(register), register.size) for register in instruction.registers if register.is_read]
        if instruction.name in COPIES and len(sources) <= 1:
            value, size = sources[0] if sources else (None, 0)
            return value and (value if instruction.is_repeated else value.cut(size)), size
        named = {register.name for register in instruction.registers}
        hidden = [self.registers.get(name) for name in instruction.reads - named - _addresses(places)]
        if not any((*(source for source, _ in sources), *hidden)):
            return None, 0
        return Value(_CONSTANT if instruction.name in COMPUTES else _UNKNOWN, _WIDEST), 0

    def _at(self, place: Place, is_input: bool) -> Value | None:
        if place.paddr in self._pushed:
            return None
        if is_input:
            known = place.paddr is not None
            return Value(Origin(REGISTER, place.paddr, place.size) if known else _UNKNOWN, place.size)
        return None if place.paddr is None else self._memory.get(place.paddr)

    def _of(self, register: Register) -> Value | None:
        value = self.registers.get(register.name)
        return value and (Value(_CONSTANT, _WIDEST) if register.is_high else value)

    def _set_register(self, instruction: Instruction, name: str, value: Value | None, source_size: int) -> None:
        operand = next((one for one in instruction.registers if one.name == name and one.is_written), None)
        if operand is None and instruction.is_string and instruction.name[:4] != "lods":
            return  # rsi, rdi and rcx only advance
        is_part = operand is not None and operand.size < 4
        if value is None and not (is_part and name in self.registers):
            self.registers.pop(name, None)
        elif value is None or operand is None or operand.is_high:
            self.registers[name] = Value(_UNKNOWN, _WIDEST)
        else:
            # Writing 32 bits of a register clears its upper half, and movzx extends with zeros.
            is_whole = value.width >= source_size
            width = (operand.size if is_part else _WIDEST) if is_whole else value.width
            self.registers[name] = value._replace(width=width)

    def _set_memory(self, place: Place, value: Value | None) -> None:
        if place.paddr is None:
            return
        for paddr in [paddr for paddr in self._memory if place.paddr - _WIDEST < paddr < place.paddr + place.size]:
            del self._memory[paddr]
        if value is not None:
            self._memory[place.paddr] = value

    def _use_as_stack(self, paddr: int, size: int, *, is_stack: bool) -> None:
        """Remember which boot data the guest overwrote by using it as a stack: what it reads there is not boot data.

        Linux 6.12 determines its own address in this way, with start_info as its stack for a moment.
        """
        if is_stack:
            self._pushed.add(paddr)
        else:
            self._pushed.difference_update(range(paddr, paddr + min(size, _WIDEST)))

    def _stored(self, instruction: Instruction, size: int, value: Value | None) -> Origin:
        if value is None:
            if instruction.stores_immediate and instruction.name in COPIES:
                return Origin(IMMEDIATE)
            return _CONSTANT
        return value.origin if value.origin.paddr is None or value.width >= size else _UNKNOWN


def _addresses(places: Sequence[Place]) -> set[str | None]:
    """Return the registers that the addresses of these places are made of. They are not part of a value."""
    return {name for place in places for name in (place.operand.base, place.operand.scaled)}
