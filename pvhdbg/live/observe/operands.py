"""The addresses of an instruction's operands, also if the registers from before it are not known.

The machine stops after an instruction that accessed watched memory, or between two repetitions of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.who.instruction import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pvhdbg.boot.who.instruction import Instruction
    from pvhdbg.live.stub.watch import Watchpoint

    Registers = dict[str, int]

_DIRECTION_FLAG = 1 << 10
_MOST_BYTES = 1 << 20
_STACK_USERS = ("push", "call", "pop")


def on_stack(instruction: Instruction) -> Iterator[Memory]:
    """Yield the memory that an instruction uses without naming it: the top of the stack."""
    size = instruction.bits // 8
    if instruction.name in ("push", "call"):
        yield Memory("rsp", None, 1, 0, None, size, is_read=False, is_written=True)
    elif instruction.name == "pop":
        yield Memory("rsp", None, 1, -size, None, size, is_read=True, is_written=False)


def linear_address(
    instruction: Instruction,
    operand: Memory,
    before: Registers | None,
    after: Registers,
    watched: Watchpoint | None,
) -> int | None:
    """Return the address of an operand. Without the registers from before, it may have to be the watchpoint's."""
    if operand.base == "rsp" and instruction.name in _STACK_USERS:
        return instruction.address_of(operand, after)
    if before is not None:
        return instruction.address_of(operand, before)
    if not {operand.base, operand.scaled} & instruction.writes:
        return instruction.address_of(operand, after)
    # An operand that is at least as large as its watchpoint begins where that begins.
    fits = watched is not None and operand.size >= watched.size and len(instruction.memory) == 1
    return watched.address if watched is not None and fits else None


def extent(
    instruction: Instruction, operand: Memory, before: Registers | None, after: Registers, linear: int
) -> tuple[int, int]:
    """Return the first address and the size of an operand at `linear`, with all its repetitions."""
    if before is None or not instruction.is_repeated_string:
        return linear, operand.size
    size = min(instruction.repetitions(before, after) * operand.size, _MOST_BYTES)
    return (linear - size + operand.size if before["eflags"] & _DIRECTION_FLAG else linear), size


def in_the_middle(instruction: Instruction, after: Registers, watched: Watchpoint) -> Registers | None:
    """Return the registers before the first repetition, if the machine stopped between two repetitions."""
    if not instruction.is_repeated_string:
        return None
    return _stepped_back(instruction, after, 1, watched)


def before_repeated(
    instruction: Instruction, after: Registers, watched: Watchpoint, is_boot_data: Callable[[int, int], bool]
) -> Registers | None:
    """Return the registers before a repeated instruction that was executed as a whole.

    QEMU names the watchpoint of the first access, but not whether that was the source or the destination. If both are
    possible, it is the one that ends within the same boot data; then the source, which is accessed first.
    `is_boot_data` returns whether all bytes at an address are part of one region.
    """
    if not instruction.is_string:
        return None
    if not instruction.is_repeated:
        return _stepped_back(instruction, after, 1, watched)
    found = []
    for operand in instruction.memory:
        touched = instruction.address_of(operand, after) - watched.address
        count = touched // operand.size
        before = _stepped_back(instruction, after, count, watched) if 0 < count <= 1 << 16 else None
        if before is not None:
            found.append((not is_boot_data(watched.address, touched), operand.is_written, before))
    return min(found, key=lambda one: one[:2])[2] if found else None


def _stepped_back(instruction: Instruction, after: Registers, count: int, watched: Watchpoint) -> Registers | None:
    """Return the registers before `count` repetitions; None if they do not touch the watched address."""
    mask = (1 << instruction.bits) - 1
    size = instruction.memory[0].size
    before = dict(after)
    for name in {"rsi", "rdi"} & {operand.base for operand in instruction.memory}:
        before[name] = (after[name] - count * size) & mask
    if instruction.is_repeated:
        before["rcx"] = (after["rcx"] + count) & mask
    touched = any(
        address - watched.size < watched.address < address + count * size
        for address in (instruction.address_of(operand, before) for operand in instruction.memory)
    )
    return before if touched else None
