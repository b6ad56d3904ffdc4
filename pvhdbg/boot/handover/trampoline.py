"""The guest code that makes a handover: it moves and clears memory, and sets the CPU state.

No gdb stub sets GDTR, IDTR, TR, LDTR or the hidden state of the segments. The code runs at the entry stop: 32-bit,
flat segments, no paging, interrupts off.

Source of the encodings: Intel SDM volume 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import MSR_EFER, WRMSR
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.vmm_profiles.cpu_state import RESET_LDTR, RESET_TR, Segment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pvhdbg.boot.handover.handover import Handover, Move
    from pvhdbg.boot.stop.ranges import AddressRange
    from pvhdbg.vmm_profiles.cpu_state import CpuState

SIZE = 0x1000
_NO_IDT, _GDT, _CODE = 24, 0x100, 0x400
"""Offsets in the page: an empty IDT's value, the temporary GDT and the code.

The values of GDTR and IDTR are before, the stack is at the end.
"""
_EAX, _ECX, _EDX, _ESI, _EDI = 0, 1, 2, 6, 7
_SEGMENT_NUMBER = {"es": 0, "ss": 2, "ds": 3, "fs": 4, "gs": 5}
_LTR, _LLDT = b"\x0f\x00\xd8", b"\x0f\x00\xd0"
_MOV_TO_CR0, _MOV_TO_CR4 = b"\x0f\x22\xc0", b"\x0f\x22\xe0"
_LGDT, _LIDT = b"\x2e\x0f\x01\x15", b"\x2e\x0f\x01\x1d"
_FORWARD, _BACKWARD = b"\xfc", b"\xfd"
_MOVE_BYTES, _MOVE_WORDS, _FILL_BYTES, _FILL_WORDS = b"\xf3\xa4", b"\xf3\xa5", b"\xf3\xaa", b"\xf3\xab"
_POPF, _NOP = b"\x9d", b"\x90"
_BUSY = 0x200


class Trampoline(NamedTuple):
    """The page at `paddr`. The guest runs from `start` to `moved`, where the bytes are placed, then to `selected`,
    where selectors are set that an instruction cannot load (`selectors`, by register), then to the entry.
    """

    paddr: int
    page: bytes
    start: int
    moved: int
    selected: int
    selectors: tuple[tuple[str, Segment], ...]

    @property
    def first_descriptor(self) -> int:
        """The physical address of descriptor 0 of the temporary GDT, which is in effect at `selected`."""
        return self.paddr + _GDT


def assemble(handover: Handover, paddr: int, entry: int) -> Trampoline:
    """Return the page for a handover. `paddr` is its address, `entry` the guest's entry."""
    cpu = handover.cpu
    # The guest must not have to stop at the first instruction: a runner ignores a breakpoint at RIP.
    moving = b"".join([_NOP, *map(_move, handover.moves), *map(_clear, handover.cleared), _NOP])
    gdt = _TemporaryGdt([*cpu.segments.values(), cpu.tr, *([cpu.ldtr] if cpu.ldtr.selector else [])])
    selectors = tuple((name, segment) for name, segment in cpu.segments.items() if gdt.is_elsewhere(segment))
    loading = _load_segments(cpu, gdt, paddr, paddr + _CODE + len(moving))
    code = moving + loading + _NOP
    final = _set_registers(cpu, paddr)
    jump_from = paddr + _CODE + len(code) + len(final) + 5
    code += final + b"\xe9" + _word(entry - jump_from)
    tables = b"".join(
        (limit.to_bytes(2, "little") + _word(base)).ljust(8, b"\0")
        for base, limit in ((paddr + _GDT, len(gdt.data) - 1), cpu.gdtr, cpu.idtr, (0, 0))
    )
    page = tables.ljust(_GDT, b"\0") + gdt.data.ljust(_CODE - _GDT, b"\0") + code
    start, moved = paddr + _CODE, paddr + _CODE + len(moving) - 1
    return Trampoline(paddr, page, start, moved, moved + len(loading) + 1, selectors)


def _is_unloadable(segment: Segment) -> bool:
    """Return whether no instruction loads this: a null selector with a usable hidden state."""
    return segment.selector < 4 and segment.is_usable


def _load_segments(cpu: CpuState, gdt: _TemporaryGdt, paddr: int, here: int) -> bytes:
    """Return code that loads the segments from the temporary GDT. `here` is the address of the code.

    There is no IDT, so that a CPU that does not accept the state resets at once.
    """
    code = _LIDT + _word(paddr + _NO_IDT) + _LGDT + _word(paddr)
    for name, number in _SEGMENT_NUMBER.items():
        code += _mov(_EAX, gdt.selector(cpu.segments[name])) + bytes([0x8E, 0xC0 | number << 3])
    if cpu.tr != RESET_TR:
        code += _mov(_EAX, gdt.selector(cpu.tr)) + _LTR
    if cpu.ldtr != RESET_LDTR:
        code += _mov(_EAX, gdt.selector(cpu.ldtr)) + _LLDT
    code += _mov(_EAX, cpu.cr4) + _MOV_TO_CR4 + _mov(_EAX, cpu.cr0) + _MOV_TO_CR0
    if cpu.efer:
        code += _mov(_ECX, MSR_EFER) + _mov(_EAX, cpu.efer) + _mov(_EDX, cpu.efer >> 32) + WRMSR
    target = here + len(code) + 7
    return code + b"\xea" + _word(target) + gdt.selector(cpu.cs).to_bytes(2, "little")


class _TemporaryGdt:
    """A GDT with a descriptor for each segment, at the index of its selector.

    A segment gets a free index if no instruction loads it, or if another segment has the same index.
    """

    def __init__(self, segments: Iterable[Segment]) -> None:
        self._selectors: dict[Segment, int] = {}
        descriptors = {0: 0}
        usable = [segment for segment in segments if segment.is_usable and segment not in (RESET_LDTR, RESET_TR)]
        for segment in sorted(usable, key=_is_unloadable):
            if segment in self._selectors:
                continue
            wanted = segment.selector >> 3
            index = max(descriptors) + 1 if wanted in descriptors else wanted
            descriptors[index] = _loadable(segment).descriptor
            self._selectors[segment] = index << 3 | segment.selector & 3
        entries = (descriptors.get(index, 0) for index in range(max(descriptors) + 1))
        self.data = b"".join(entry.to_bytes(8, "little") for entry in entries)

    def is_elsewhere(self, segment: Segment) -> bool:
        """Return whether the descriptor is not at the index of the selector."""
        return self._selectors.get(segment, segment.selector) & ~3 != segment.selector & ~3

    def selector(self, segment: Segment) -> int:
        return self._selectors.get(segment, segment.selector)


def _loadable(segment: Segment) -> Segment:
    """Return a TSS as not busy: a busy one cannot be loaded."""
    is_tss = segment.flags & 0x1F00 == 0x0B00
    return segment._replace(flags=segment.flags & ~_BUSY) if is_tss else segment


def _set_registers(cpu: CpuState, paddr: int) -> bytes:
    """Return code that sets GDTR, IDTR, EFLAGS and the general registers, the stack pointer last."""
    code = _LGDT + _word(paddr + 8) + _LIDT + _word(paddr + 16)
    code += _mov(4, paddr + SIZE) + b"\x68" + _word(cpu.eflags) + _POPF
    return code + b"".join(_mov(number, value) for number, value in enumerate(cpu.general_registers.values()))


def _move(move: Move) -> bytes:
    """Return code that moves bytes; from the end if the ranges overlap so that the start would be lost."""
    if move.source < move.paddr < move.source + move.size:
        last, words = move.size - 1, move.size & ~3
        code = _mov(_ESI, move.source + last) + _mov(_EDI, move.paddr + last) + _mov(_ECX, move.size & 3)
        code += _BACKWARD + _MOVE_BYTES + _mov(_ESI, move.source + words - 4) + _mov(_EDI, move.paddr + words - 4)
        return code + _mov(_ECX, words >> 2) + _MOVE_WORDS + _FORWARD
    code = _mov(_ESI, move.source) + _mov(_EDI, move.paddr) + _mov(_ECX, move.size >> 2) + _FORWARD + _MOVE_WORDS
    return code + _mov(_ECX, move.size & 3) + _MOVE_BYTES


def _clear(cleared: AddressRange) -> bytes:
    start, end = cleared
    words = _mov(_EAX, 0) + _mov(_EDI, start) + _mov(_ECX, (end - start) >> 2) + _FORWARD + _FILL_WORDS
    return words + _mov(_ECX, (end - start) & 3) + _FILL_BYTES


def _mov(register: int, value: int) -> bytes:
    return bytes([0xB8 + register]) + _word(value)


def _word(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, "little")
