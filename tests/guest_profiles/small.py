"""Small PVH guests with the functions and variables of a guest profile. They do what the profile says that guest does.

The code is 32-bit and runs without paging, at the addresses where it is linked. After its last stage a guest halts.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pvhdbg.guest_profiles import hypervisors, unikernels
from tests.image.builder import ENTRY, Symbol, elf, load, note, notes, raw_note, symbol_sections

if TYPE_CHECKING:
    from pvhdbg.guest_profiles.profile import GuestProfile

FUNCTIONS, VARIABLE, STACK, SIZE = ENTRY + 0x100, ENTRY + 0x800, ENTRY + 0x2000, 0x2000
OVERWRITTEN = 0xA5A5A5A5
"""What the small OSv writes where OSv writes its own structures."""
_ROOM = 0x40
_TO_ARGUMENT = {"": b"", "rdi": b"\x89\xdf", "rsi": b"\x89\xde"}
_HALT = bytes.fromhex("f4ebfd")


def bits_of(profile: GuestProfile) -> int:
    """Return the class of this guest's ELF file."""
    return 32 if profile in (hypervisors.XEN, hypervisors.GRUB) else 64


def functions_of(profile: GuestProfile) -> list[str]:
    """Return the functions of the stages, in the order of the boot."""
    return list(dict.fromkeys(stage.function for stage in profile.stages))


def small(profile: GuestProfile, *, named: bool = True) -> bytes:
    """Return a guest that this profile fits. If it is not `named`, it has no symbols and only its other marks."""
    bits, names = bits_of(profile), functions_of(profile)
    addresses = {name: FUNCTIONS + index * _ROOM for index, name in enumerate(names)}
    code = _start(profile, list(addresses.values()), bits)
    assert len(code) <= FUNCTIONS - ENTRY
    code = code.ljust(FUNCTIONS - ENTRY, b"\x90")
    code += b"".join(_body(profile, name).ljust(_ROOM, b"\x90") for name in names)
    code = code.ljust(SIZE - 0x100, b"\0") + profile.marks.string
    symbols = [Symbol(mangled(name), address, _ROOM) for name, address in addresses.items()]
    symbols += [Symbol(variable.symbol, VARIABLE, 8, type=1) for variable in profile.variables]
    known = {symbol.name for symbol in symbols}
    symbols += [Symbol(name, ENTRY, 4) for name in profile.marks.symbols if name not in known]
    sections = symbol_sections(symbols, bits=bits) if named else []
    return elf([load(code, memsz=SIZE), notes(*_notes(profile))], sections, bits=bits)


def mangled(name: str, *, v0: bool = False) -> str:
    """Return the symbol of a function: rustc's, if the name is the path of a Rust function."""
    crate, *parts = name.split("::")
    if not parts:
        return name
    rest = "".join(f"{len(part)}{part}" for part in parts)
    if v0:
        return f"_RNv{'Nt' * (len(parts) - 1)}Cs4fqI2P2rA04_{len(crate)}{crate}{rest}"
    return f"_ZN{len(crate)}{crate}{rest}17h0123456789abcdefE"


def _notes(profile: GuestProfile) -> list[bytes]:
    marks = profile.marks
    os_name = [raw_note(b"Xen\0", 6, marks.guest_os.encode() + b"\0")] if marks.guest_os else []
    own = [raw_note(marks.note_owner.encode() + b"\0", 0x5A00, b"\1")] if marks.note_owner else []
    return [*os_name, *own, note()]


def _start(profile: GuestProfile, functions: list[int], bits: int) -> bytes:
    code = b"\xbc" + struct.pack("<I", STACK) + _TO_ARGUMENT[profile.argument]
    code += b"".join(_store_ebx() for variable in profile.variables if "prepare" in variable.stages)
    for function in functions:
        code += b"\x6a\0" if bits == 64 else b""  # so that the return address looks like an 8-byte one
        code += b"\xe8" + struct.pack("<i", function - (ENTRY + len(code) + 5))
    return code + _HALT


def _body(profile: GuestProfile, name: str) -> bytes:
    is_parser = name == functions_of(profile)[0]
    code = b""
    if is_parser:
        code += b"".join(_store_ebx() for variable in profile.variables if "prepare" not in variable.stages)
    if is_parser and profile is unikernels.OSV:
        places = (unikernels.OSV_INFO, unikernels.OSV_TABLE)
        code += b"".join(b"\xc7\x05" + struct.pack("<II", place, OVERWRITTEN) for place in places)
    return code + b"\xc3"


def _store_ebx() -> bytes:
    return b"\x89\x1d" + struct.pack("<I", VARIABLE)
