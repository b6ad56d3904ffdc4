"""The addresses of memory operands, computed from registers."""

from __future__ import annotations

from typing import Any

import pytest

from pvhdbg.boot.who.instruction import Instruction, Memory

REGISTERS = {"rax": 0x100, "rcx": 0x10, "fs_base": 0x10000}


def address(bits: int = 64, **parts: Any) -> int:  # noqa: ANN401  the parts of a Memory
    operand = Memory(None, None, 1, 0, None, 4, is_read=True, is_written=False)._replace(**parts)
    nothing: frozenset[str] = frozenset()
    instruction = Instruction(
        0x1000, 7, "mov", "", bits, (), (operand,), nothing, nothing, stores_immediate=False, is_repeated=False
    )
    return instruction.address_of(operand, REGISTERS)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"displacement": 0x20}, 0x20),
        ({"base": "rax", "displacement": 0x20}, 0x120),
        ({"scaled": "rcx", "scale": 8}, 0x80),
        ({"base": "rax", "scaled": "rcx", "scale": 4, "displacement": -1}, 0x13F),
        ({"base": "rip", "displacement": 1}, 0x1008),
        ({"base": "rax", "segment": "fs"}, 0x10100),
        ({"displacement": -1}, (1 << 64) - 1),
    ],
)
def test_an_address_is_the_sum_of_its_parts(parts: dict[str, Any], expected: int) -> None:
    assert expected == address(**parts)


def test_an_address_of_32_bits_wraps_at_4_gib() -> None:
    assert 0xFF == address(32, base="rax", displacement=-1)
    assert 0xFFFFFFFF == address(32, displacement=-1)
