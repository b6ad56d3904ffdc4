"""String instructions with a repeat prefix. A single step executes one repetition, and RIP stays where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import EFER_LMA
from pvhdbg.errors import TargetError

if TYPE_CHECKING:
    from pvhdbg.boot.run.journey import Journey

_REPEATS = b"\xf2\xf3"
_OTHER_PREFIXES = b"\x26\x2e\x36\x3e\x64\x65\x66\x67"
_REX = range(0x40, 0x50)
"""REX prefixes of 64-bit code. In other code, these bytes are instructions of their own."""
_STRING_OPCODES = (*range(0x6C, 0x70), *range(0xA4, 0xA8), *range(0xAA, 0xB0))
"""INS, OUTS, MOVS, CMPS, STOS, LODS and SCAS. Source: Intel SDM volume 2, REP."""
_LONGEST = 8


def length(code: bytes, *, is_long: bool) -> int | None:
    """Return the length of the string instruction with a repeat prefix that the bytes begin with; None for others."""
    at = 0
    while at < len(code) and code[at] in _REPEATS + _OTHER_PREFIXES:
        at += 1
    repeats = any(byte in _REPEATS for byte in code[:at])
    if is_long and at < len(code) and code[at] in _REX:
        at += 1
    return at + 1 if repeats and at < len(code) and code[at] in _STRING_OPCODES else None


def end(journey: Journey) -> int | None:
    """Return the address after the repeated string instruction at RIP; None if there is another instruction."""
    try:
        target = journey.target
        is_long = bool(target.register("efer") & EFER_LMA)
        size = length(target.read_phys(journey.addresses().rip(), _LONGEST), is_long=is_long)
        return None if size is None else target.register("rip") + size
    except TargetError:
        return None
