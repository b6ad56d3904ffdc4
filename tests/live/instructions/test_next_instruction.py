"""What the next instruction reads, writes, and whether it jumps, on captures and on what a real guest did then."""

from __future__ import annotations

import pytest

from pvhdbg.boot.record.replay import load
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.live.instructions.next_instruction import NOT_MAPPED, NextInstruction, at_stop, jumps
from tests import build
from tests.paths import RECORDINGS_DIR

STACK = 0x9000


def stopped(code: str, mode: str = "long64", **registers: int) -> Capture:
    """Return a stop at these bytes, without paging, and with numbers from 1 on its stack."""
    entry = build.boot().stops[0]
    rip = entry.rip or 0
    stack = b"".join(number.to_bytes(8, "little") for number in range(1, 5))
    known = {**entry.registers, "rsp": STACK, "cs.base": 0, **registers}
    memory = ((STACK - 8, bytes(8) + stack), (rip, bytes.fromhex(code)))
    return entry._replace(cpu_mode=mode, registers=known, memory=memory)


def at(code: str, mode: str = "long64", **registers: int) -> NextInstruction:
    found = at_stop(stopped(code, mode, **registers), None)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("code", "mode", "registers", "access"),
    [
        ("55", "long64", {}, (STACK - 8, 8, False, True, 0)),  # push %rbp
        ("55", "protected32", {}, (STACK - 4, 4, False, True, 0)),
        ("c3", "long64", {}, (STACK, 8, True, False, 1)),  # ret
        ("9d", "long64", {}, (STACK, 8, True, False, 1)),  # popf
        ("c9", "long64", {"rbp": STACK + 8}, (STACK + 8, 8, True, False, 2)),  # leave
        ("e800000000", "long64", {}, (STACK - 8, 8, False, True, 0)),  # call
        ("488b4310", "long64", {"rbx": STACK}, (STACK + 16, 8, True, False, 3)),  # mov 0x10(%rbx),%rax
        ("ff048b", "protected32", {"rbx": STACK - 8, "rcx": 2}, (STACK, 4, True, True, 1)),  # incl (%ebx,%ecx,4)
        ("3b05f6ffffff", "long64", {}, (0x100084C, 4, True, False, None)),  # cmp -10(%rip),%eax
    ],
)
def test_the_memory_of_an_instruction_is_computed_from_the_registers(
    code: str, mode: str, registers: dict[str, int], access: tuple[int, int, bool, bool, int | None]
) -> None:
    (found,) = at(code, mode, **registers).accesses
    value = None if found.data is None else int.from_bytes(found.data, "little")

    assert access == (*found[:4], value)


@pytest.mark.parametrize(("flags", "start"), [(0, STACK), (1 << 10, STACK - 24)])
def test_a_repeated_instruction_accesses_all_its_items(flags: int, start: int) -> None:
    (found,) = at("f348ab", rdi=STACK, rcx=4, eflags=flags).accesses  # rep stos

    assert (start, 32, True) == (found.address, found.size, found.is_written)
    assert () == at("f348ab", rdi=STACK, rcx=0).accesses


def test_no_access_is_invented() -> None:
    assert () == at("488d4310").accesses  # lea 0x10(%rbx),%rax
    assert () == at("8b07", "real16").accesses
    assert () == at_stop(stopped("488b03")._replace(registers={"cs.base": 0}), None).accesses  # type: ignore[union-attr]
    assert at_stop(stopped("06"), None) is None  # no instruction of 64-bit code
    assert at_stop(stopped("55")._replace(cpu_mode="unknown"), None) is None


@pytest.mark.parametrize(
    ("name", "flags", "expected"),
    [
        ("je", 0x40, True), ("jne", 0x40, False), ("jb", 1, True), ("jae", 1, False), ("ja", 0x41, False),
        ("jbe", 0x40, True), ("jl", 0x80, True), ("jge", 0x880, True), ("jg", 0x40, False), ("jle", 0x800, True),
        ("js", 0x80, True), ("jns", 0, True), ("jo", 0x800, True), ("jno", 0x800, False), ("jp", 4, True),
        ("jnp", 4, False), ("jmp", 0, None), ("cmove", 0x40, None),
    ],
)  # fmt: skip
def test_a_conditional_jump_depends_on_the_flags(name: str, flags: int, expected: bool | None) -> None:
    assert expected is jumps(name, {"eflags": flags})
    assert jumps(name, {}) is None


def test_every_stop_of_a_recorded_boot_has_its_next_instruction() -> None:
    document = load(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json")
    found = {stop.stage: at_stop(stop, document.kernel) for stop in document.stops}

    assert all(found.values())
    assert found["entry"] == NextInstruction(0x1000850, "cld")


def test_an_address_that_is_not_mapped_is_said_to_be() -> None:
    bootparams = build.boot().stops[2]
    code = ((bootparams.rip or 0, bytes.fromhex("488b03").ljust(15, b"\x90")), *bootparams.memory)
    lost = at_stop(bootparams._replace(memory=code, registers={**bootparams.registers, "rbx": 1 << 63}), None)

    assert lost is not None
    assert [NOT_MAPPED] == [access.why for access in lost.accesses]
