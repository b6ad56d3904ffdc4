"""PVH guests of a few bytes that have symbols with the same names as in Linux. Each ends in a different way.

They are linked at Linux's addresses but run at physical addresses, as xen_prepare_pvh did in Linux 5.10 and earlier.
The code is 32-bit, in both classes of ELF file.
"""

import struct
from collections.abc import Sequence
from pathlib import Path

from tests.image.builder import ENTRY, Segment, Symbol, elf, exit_code, load, note, notes, symbol_sections

KERNEL_MAP = {32: 0xC0000000, 64: 0xFFFFFFFF80000000}
PREPARE, FLAG, NO_IDT, STACK = ENTRY + 0x40, ENTRY + 0x80, ENTRY + 0x88, ENTRY + 0x1000
WAITING = range(ENTRY + 9, ENTRY + 18)
"""The range that contains RIP while the guest waits."""


def report_to(path: Path) -> tuple[str, str]:
    """Return the QEMU options with which a guest writes a byte to this file when it starts to run."""
    return ("-debugcon", f"file:{path}")


EXIT_STATUS = 33
EXIT_DEVICE = ("-device", "isa-debug-exit,iobase=0x501,iosize=1")

_WAIT = bytes.fromhex("803d") + struct.pack("<I", FLAG) + bytes.fromhex("0074f7")  # loop until FLAG is set
_REPORT = bytes.fromhex("b072e6e9")  # write a byte to QEMU's debug console
_START = b"\xbc" + struct.pack("<I", STACK) + _REPORT + _WAIT
_CALL_AT = ENTRY + len(_START) + 2
RETURNS_TO = _CALL_AT + 5
# The code before the call pushes this, so that the return address looks like an 8-byte or a 4-byte one.
_ABOVE = {32: b"\x6a\x7f", 64: b"\x6a\0"}
_CALL = b"\xe8" + struct.pack("<i", PREPARE - RETURNS_TO) + bytes.fromhex("ebfe")
_RETURN = b"\xc3"
# Load an empty IDT, then fault: the CPU finds no handler, so this is a triple fault.
_DIE = bytes.fromhex("0f011d") + struct.pack("<I", NO_IDT) + bytes.fromhex("0f0b")
DIES_AT = PREPARE + 7
# Set EFER.SVME, as only a hypervisor does, and return.
_ENABLE_SVM = bytes.fromhex("b9800000c0 0f32 0d00100000 0f30 c3")
_POWER_OFF = bytes.fromhex("66ba0406 66b80020 66ef ebfe")  # PM1a_CNT with SLP_EN, at the port where SeaBIOS puts it

PRINTED = "no way"
_PRINT_AND_HALT = bytes.fromhex("66baf803") + b"".join(bytes([0xB0, it, 0xEE]) for it in PRINTED.encode()) + b"\xf4"
HALTS_AT = PREPARE + len(_PRINT_AND_HALT)
"""RIP after the `hlt`."""
# Clear CR0.PE, and halt.
_HALT_IN_REAL_MODE = bytes.fromhex("0f20c0 24fe 0f22c0 f4")
PANIC = "Kernel panic - not syncing: no way"
_PRINT_AND_LOOP = bytes.fromhex("66baf803") + b"".join(bytes([0xB0, it, 0xEE]) for it in PANIC.encode()) + b"\xeb\xfe"

_START_SIZE, _PREPARE_SIZE = RETURNS_TO + 2 - ENTRY, 16


def returning(bits: int = 64, *, symbol: str | None = None) -> bytes:
    """Return a guest that returns from xen_prepare_pvh, also named `symbol`, and then loops forever."""
    return _guest(_RETURN, bits=bits, symbols=[_symbol(symbol, PREPARE, _PREPARE_SIZE, bits)] if symbol else [])


def waiting(*, name: str = "startup") -> bytes:
    """Return a guest that waits at its entry until a debugger sets the byte at FLAG. `name` is the entry's symbol."""
    return _guest(_RETURN, released=False, symbols=[_symbol(name, ENTRY, _START_SIZE)])


def dying(*, name: str | None = None) -> bytes:
    """Return a guest that triple-faults in xen_prepare_pvh. `name` is an optional symbol at the fault."""
    return _guest(_DIE, symbols=[_symbol(name, DIES_AT, 2)] if name else [])


def dying_before_prepare() -> bytes:
    """Return a guest that triple-faults at DIES_AT, before it gets to its xen_prepare_pvh."""
    never_reached = _symbol("xen_prepare_pvh", PREPARE + 0x20, _PREPARE_SIZE)
    return elf([_segment(_DIE, released=True, bits=64), notes(note())], symbol_sections([never_reached]))


def halting() -> bytes:
    """Return a guest that prints PRINTED on its serial console in xen_prepare_pvh, and halts at HALTS_AT for good."""
    return _guest(_PRINT_AND_HALT)


def halting_in_real_mode() -> bytes:
    """Return a guest that turns protected mode off in xen_prepare_pvh, and halts for good."""
    return _guest(_HALT_IN_REAL_MODE)


def panicking() -> bytes:
    """Return a guest that prints PANIC on its serial console in xen_prepare_pvh, as Linux does, and loops forever."""
    return _guest(_PRINT_AND_LOOP)


def enabling_svm(planted: Sequence[Segment] = ()) -> bytes:
    """Return a guest that enables SVM in xen_prepare_pvh, returns and loops forever. `planted` is loaded as well."""
    return _guest(_ENABLE_SVM, planted=planted)


def exiting() -> bytes:
    """Return a guest that ends QEMU in xen_prepare_pvh with EXIT_STATUS. QEMU needs the options EXIT_DEVICE."""
    return _guest(exit_code(EXIT_STATUS))


def nameless(*, dies: bool = False, powers_off: bool = False) -> bytes:
    """Return a guest without symbols: it loops forever, has a triple fault, or powers off the machine, a q35."""
    prepare = _DIE if dies else _POWER_OFF if powers_off else _RETURN
    return elf([_segment(prepare, released=True, bits=64), notes(note())])


def _guest(
    prepare: bytes,
    *,
    released: bool = True,
    bits: int = 64,
    symbols: list[Symbol] | None = None,
    planted: Sequence[Segment] = (),
) -> bytes:
    named = [_symbol("xen_prepare_pvh", PREPARE, _PREPARE_SIZE, bits), *(symbols or [])]
    segments = [_segment(prepare, released=released, bits=bits), notes(note()), *planted]
    return elf(segments, symbol_sections(named, bits=bits), bits=bits)


def _symbol(name: str, paddr: int, size: int, bits: int = 64) -> Symbol:
    return Symbol(name, KERNEL_MAP[bits] + paddr, size)


def _segment(prepare: bytes, *, released: bool, bits: int) -> Segment:
    parts = (_START + _ABOVE[bits] + _CALL, prepare, bytes([released]))
    code = b"".join(part.ljust(0x40, b"\0") for part in parts)
    return load(code, vaddr=KERNEL_MAP[bits] + ENTRY, memsz=0x2000)
