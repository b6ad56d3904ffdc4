"""What the CPU did when a guest died: page walks, and the instructions that load a segment register."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.paging import Paging, Walk, walk
from pvhdbg.checks.outcome.failure import rip_paddr
from pvhdbg.errors import MemoryUnreadable
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.checks.case import Case

_SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
_GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{number}" for number in range(8, 16)))
_PREFIXES = frozenset(b"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3")
_LONGEST, _MOST_PREFIXES = 15, 4
_FAR = {0xEA: "far jmp", 0x9A: "far call"}
_USES_STACK = frozenset((*range(0x50, 0x62), 0x68, 0x6A, 0x9C, 0x9D, 0xC2, 0xC3, 0xC8, 0xC9, 0xCA, 0xCB, 0xCF, 0xE8))
"""The first bytes of push, pop, pusha, popa, pushf, popf, ret, enter, leave, retf, iret and call."""


class SegmentLoad(NamedTuple):
    """An instruction that loads the segment register `register`. `selector` is None if it is not known."""

    mnemonic: str
    register: str
    selector: int | None


class _Code(NamedTuple):
    """An instruction without its prefixes. `rex` is 0 outside 64-bit code; `has_16_bits` is for its operands."""

    data: bytes
    rex: int
    has_16_bits: bool


def page_walk(capture: Capture, vaddr: int) -> Walk | None:
    """Translate an address with the page tables that the capture has; None if it lacks some of them."""
    names = ("cr0", "cr3", "cr4", "efer")
    values = [capture.registers.get(name) for name in names]

    def read_phys(paddr: int, size: int) -> bytes:
        data = capture.bytes_at(paddr, size)
        if data is None:
            raise MemoryUnreadable(paddr, size, "not captured")
        return data

    try:
        return None if None in values else walk(read_phys, Paging(*(value or 0 for value in values)), vaddr)
    except MemoryUnreadable:
        return None


def is_unmapped(capture: Capture, vaddr: int) -> bool | None:
    """Return whether the page tables certainly do not map an address; None if this is not known."""
    found = page_walk(capture, vaddr)
    return None if found is None else found.paddr is None


def _instruction(case: Case) -> _Code | None:
    """Return the instruction at RIP, or as much of it as was read."""
    paddr, is_64_bit = rip_paddr(case), case.capture.cpu_mode == "long64"
    sizes = () if paddr is None else range(_LONGEST, 0, -1)
    data = next(filter(None, (case.capture.bytes_at(paddr or 0, size) for size in sizes)), b"")
    start = 0
    while start < min(_MOST_PREFIXES, len(data)) and data[start] in _PREFIXES:
        start += 1
    has_16_bits = (0x66 in data[:start]) != (case.capture.cpu_mode in ("real16", "protected16"))
    rex = data[start] if is_64_bit and start < len(data) and data[start] & 0xF0 == 0x40 else 0
    rest = data[start + bool(rex) :]
    return _Code(rest, rex, has_16_bits) if rest else None


def uses_stack(case: Case) -> bool:
    """Return whether the instruction at RIP pushes to the stack or pops from it."""
    code = _instruction(case)
    if code is None:
        return False
    is_indirect = code.data[0] == 0xFF and len(code.data) > 1 and code.data[1] >> 3 & 7 in (2, 3, 6)
    return code.data[0] in _USES_STACK or is_indirect


def segment_load(case: Case) -> SegmentLoad | None:
    """Return the load of a segment register at RIP; None for any other instruction."""
    code = _instruction(case)
    if code is None or len(code.data) < 2:
        return None
    opcode, modrm = code.data[0], code.data[1]
    if opcode == 0x8E and modrm >> 3 & 7 < len(_SEGMENTS):
        name = _SEGMENTS[modrm >> 3 & 7]
        return SegmentLoad(f"mov to {name}", name, _operand(case, code, modrm))
    if opcode == 0x0F and modrm == 0 and len(code.data) > 2 and code.data[2] >> 3 & 7 == 3:
        return SegmentLoad("ltr", "tr", _operand(case, code, code.data[2]))
    if opcode in _FAR and case.capture.cpu_mode != "long64":
        return SegmentLoad(_FAR[opcode], "cs", _far_selector(code))
    return None


def _operand(case: Case, code: _Code, modrm: int) -> int | None:
    """Return the 16-bit value of a register operand; None for an operand in memory."""
    if modrm >> 6 != 3:
        return None
    value = case.capture.registers.get(_GENERAL[modrm & 7 | (code.rex & 1) << 3])
    return None if value is None else value & 0xFFFF


def _far_selector(code: _Code) -> int | None:
    offset = 3 if code.has_16_bits else 5
    raw = code.data[offset : offset + 2]
    return int.from_bytes(raw, "little") if len(raw) == 2 else None
