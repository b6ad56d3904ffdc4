"""Decode x86 instructions. Only this module imports capstone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import capstone  # type: ignore[import-untyped]  # it has no type hints
from capstone import x86

from pvhdbg.boot.who.instruction import Instruction, Memory, Register
from pvhdbg.lazy_pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 15
"""The size of the longest instruction, in bytes."""

BITS = {"real16": 16, "protected16": 16, "protected32": 32, "paged32": 32, "pae32": 32, "compat32": 32, "long64": 64}
"""The size of operands and addresses in each CPU mode."""

_MODES = {16: capstone.CS_MODE_16, 32: capstone.CS_MODE_32, 64: capstone.CS_MODE_64}
_REPEATS = (0xF3, 0xF2)
_HIGH = {"ah": "rax", "bh": "rbx", "ch": "rcx", "dh": "rdx"}
_IGNORED = ("rflags", "eflags", "flags", "rip", "eip", "ip")
_ADDRESS_ONLY = ("lea", "nop", "prefetch")


_DECIMAL = pattern(r"\$([0-9]{5,20})\b")
"""A number that capstone does not print in hex, although it is not small: the 64-bit form of a negative number."""


def _in_hex(found: re.Match[str]) -> str:
    return f"${int(found[1]):#x}"


class Decoder:
    """Decodes instructions, and remembers them."""

    def __init__(self) -> None:
        self._engines = {bits: capstone.Cs(capstone.CS_ARCH_X86, mode) for bits, mode in _MODES.items()}
        for engine in self._engines.values():
            engine.detail = True
        self._printers = {bits: capstone.Cs(capstone.CS_ARCH_X86, mode) for bits, mode in _MODES.items()}
        for printer in self._printers.values():
            printer.syntax = capstone.CS_OPT_SYNTAX_ATT  # as gdb and pvhdbg print instructions elsewhere
        self._known: dict[tuple[int, int, bytes], Instruction | None] = {}

    def decode(self, code: bytes, address: int, bits: int) -> Instruction | None:
        """Return the instruction that begins with these bytes; None if they are not an instruction."""
        key = address, bits, code[:LONGEST]
        if key not in self._known:
            found = next(iter(self._engines[bits].disasm(code[:LONGEST], address, 1)), None)
            self._known[key] = None if found is None else _instruction(found, bits, self._text(found, bits))
        return self._known[key]

    def _text(self, found: Any, bits: int) -> str:  # noqa: ANN401  capstone has no types
        _, _, name, operands = next(self._printers[bits].disasm_lite(bytes(found.bytes), found.address, 1))
        return f"{name} {operands}".strip()

    def texts(self, code: bytes, address: int, bits: int) -> Iterator[tuple[int, int, str]]:
        """Yield the address, the size and the text of each instruction. Bytes that are no instruction are skipped."""
        at = 0
        while at < len(code):
            for start, size, name, operands in self._printers[bits].disasm_lite(code[at:], address + at):
                at = start + size - address
                yield start, size, _DECIMAL.sub(_in_hex, f"{name:6} {operands}".strip())
            if len(code) - at < LONGEST:
                return
            yield address + at, 1, f".byte  {code[at]:#04x}"
            at += 1

    def sizes(self, code: bytes, address: int, bits: int) -> Iterator[tuple[int, int]]:
        """Yield the address and the size of each instruction, up to the first bytes that are not an instruction."""
        engine = self._engines[bits]
        yield from ((start, size) for start, size, _, _ in engine.disasm_lite(code, address))

    def last_size(self, code: bytes, bits: int) -> int | None:
        """Return the size of the instruction with which these bytes end; None if that is not certain.

        It is not known where the first instruction begins, so decode from each of the first bytes. After a few
        instructions, each attempt meets the real ones; so all attempts that end at the end agree, unless some bytes
        are data.
        """
        found: set[int] = set()
        known: set[int] = set()
        for start in range(len(code) // 2):
            for at, size in self.sizes(code[start:], start, bits):
                if at in known:
                    break  # from here on, it is an earlier attempt
                known.add(at)
                found |= {size} if at + size == len(code) else set()
        return found.pop() if len(found) == 1 else None


def _instruction(found: Any, bits: int, text: str) -> Instruction:  # noqa: ANN401
    reads, writes = found.regs_access()
    name = found.mnemonic.split()[-1]
    immediate = any(operand.type == x86.X86_OP_IMM for operand in found.operands)
    return Instruction(
        address=found.address,
        size=found.size,
        name=name,
        text=text,
        bits=8 * found.addr_size,
        registers=tuple(_registers(found)),
        memory=tuple(_memories(found, name, bits)),
        reads=frozenset(_families(found, reads)),
        writes=frozenset(_families(found, writes)),
        stores_immediate=immediate,
        is_repeated=found.prefix[0] in _REPEATS,
    )


def _families(found: Any, numbers: tuple[int, ...]) -> Iterator[str]:  # noqa: ANN401
    for number in numbers:
        name = found.reg_name(number)
        if name not in _IGNORED:
            yield family(name)


def _registers(found: Any) -> Iterator[Register]:  # noqa: ANN401
    for operand in found.operands:
        if operand.type == x86.X86_OP_REG:
            name = found.reg_name(operand.reg)
            yield Register(
                family(name),
                operand.size,
                bool(operand.access & capstone.CS_AC_READ),
                bool(operand.access & capstone.CS_AC_WRITE),
                name in _HIGH,
            )


def _memories(found: Any, name: str, bits: int) -> Iterator[Memory]:  # noqa: ANN401
    if name.startswith(_ADDRESS_ONLY):
        return
    for operand in found.operands:
        if operand.type == x86.X86_OP_MEM:
            yield Memory(
                base=_named(found, operand.mem.base),
                scaled=_named(found, operand.mem.index),
                scale=operand.mem.scale,
                displacement=operand.mem.disp,
                segment=_segment(found, operand.mem.segment, bits),
                size=operand.size,
                is_read=bool(operand.access & capstone.CS_AC_READ),
                is_written=bool(operand.access & capstone.CS_AC_WRITE),
            )


def _named(found: Any, number: int) -> str | None:  # noqa: ANN401
    if not number:
        return None
    name = found.reg_name(number)
    return "rip" if name in ("rip", "eip") else family(name)


def _segment(found: Any, number: int, bits: int) -> str | None:  # noqa: ANN401
    name = found.reg_name(number) if number else None
    return name if bits != 64 or name in ("fs", "gs") else None


def family(name: str) -> str:
    """Return the 64-bit name of a register."""
    if name in _HIGH:
        return _HIGH[name]
    if name[0] == "r" and name[1:2].isdigit():
        return name.rstrip("bdw")
    for base in ("ax", "bx", "cx", "dx"):
        if name in (base, f"e{base}", f"r{base}", f"{base[0]}l"):
            return f"r{base}"
    for base in ("si", "di", "bp", "sp"):
        if name in (base, f"e{base}", f"r{base}", f"{base}l"):
            return f"r{base}"
    return name
