"""PVH guests of a few bytes with Linux's names, each with a fate of its own: 32-bit code in a 64-bit ELF file."""

import struct

from tests.image.builder import ENTRY, Section, Symbol, elf, exit_code, load, note, notes, symbol_sections

PREPARE, FLAG, NO_IDT, STACK = ENTRY + 0x40, ENTRY + 0x80, ENTRY + 0x88, ENTRY + 0x1000
WAITS_AT = ENTRY + 5
LEAVES_WITH = 33
LEAVING = ("-device", "isa-debug-exit,iobase=0x501,iosize=1")

_WAIT = bytes.fromhex("803d") + struct.pack("<I", FLAG) + bytes.fromhex("0074f7")  # until FLAG is set
_START = b"\xbc" + struct.pack("<I", STACK) + _WAIT
# The return address is read as eight bytes: in front of it lie four zeros.
_CALL = bytes.fromhex("6a00 e8") + struct.pack("<i", PREPARE - (ENTRY + len(_START) + 7)) + bytes.fromhex("ebfe")
_RETURN = b"\xc3"
# Without an IDT the CPU finds no handler, nor one for that failure: a triple fault.
_DIE = bytes.fromhex("0f011d") + struct.pack("<I", NO_IDT) + bytes.fromhex("0f0b")
DIES_AT = PREPARE + 7


def waiting(*, name: str = "startup") -> bytes:
    """Waits at its entry until somebody sets the byte at FLAG; its code there is called `name`."""
    return _guest(_RETURN, released=False, symbols=[Symbol(name, ENTRY, len(_START + _CALL)), _PREPARE])


def dying(*, name: str | None = None) -> bytes:
    """Dies of a triple fault in xen_prepare_pvh, at an instruction that may have a `name` of its own."""
    return _guest(_DIE, released=True, symbols=[_PREPARE, *([Symbol(name, DIES_AT, 2)] if name else [])])


def leaving() -> bytes:
    """Ends QEMU in xen_prepare_pvh with exit status LEAVES_WITH; QEMU must have been given LEAVING."""
    return _guest(exit_code(LEAVES_WITH), released=True, symbols=[_PREPARE])


def nameless() -> bytes:
    """Any PVH guest: no symbols at all."""
    return _guest(_RETURN, released=True, symbols=[])


_PREPARE = Symbol("xen_prepare_pvh", PREPARE, 9)


def _guest(prepare: bytes, *, released: bool, symbols: list[Symbol]) -> bytes:
    code = (_START + _CALL).ljust(0x40, b"\x90") + prepare.ljust(0x40, b"\x90") + bytes([released]).ljust(0x40, b"\0")
    sections: list[Section] = symbol_sections(symbols) if symbols else []
    return elf([load(code, memsz=0x2000), notes(note())], sections)
