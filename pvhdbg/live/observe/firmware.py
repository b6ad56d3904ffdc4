"""Run a machine from its reset to the entry, and observe what writes the boot data: firmware, and its DMA transfers.

Firmware has no symbols and is not stepped, so the values that it writes are not followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import cpu_mode
from pvhdbg.boot.stop.address import linear_address as linear_rip
from pvhdbg.boot.who import roms
from pvhdbg.boot.who.access import COMPUTED, DMA, IMMEDIATE, PERHAPS, Access, Origin
from pvhdbg.boot.who.instruction import COMPUTES, COPIES
from pvhdbg.errors import TargetError
from pvhdbg.live.instructions.decode import BITS, LONGEST, Decoder
from pvhdbg.live.observe.operands import before_repeated, extent, in_the_middle, linear_address, on_stack
from pvhdbg.live.stub.watch import Watchpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.boot.who.instruction import Instruction, Memory
    from pvhdbg.boot.who.roms import DmaRequest, Roms
    from pvhdbg.live.observe.regions import Region
    from pvhdbg.live.stub.watch import RspWatch
    from pvhdbg.target.rsp.rsp_target import RspTarget

_MOST_STOPS = 20_000
_GRANULE = 4
_SEGMENTS = ("cs", "ds", "es", "ss", "fs", "gs")
_OUT = {16: b"\x66\xef", 32: b"\xef"}
"""The bytes of `out %eax, %dx`, by the size of the code's operands."""

Registers = dict[str, int]


class FirmwareObserver:
    """Runs a machine to the entry, and collects the writes to `regions`, whose addresses an earlier boot has shown."""

    def __init__(self, target: RspTarget, watch: RspWatch, code: Roms, regions: Sequence[Region]) -> None:
        self.accesses: list[Access] = []
        self._target, self._watch, self._roms, self._regions = target, watch, code, regions
        self._decoder = Decoder()
        self._dma_starts = code.dma_starts()
        self._sizes: dict[tuple[bytes, int], int | None] = {}
        self._high = 0
        self._watchpoints = [
            Watchpoint(region.paddr + offset, min(_GRANULE, region.size - offset), only_writes=True)
            for region in regions
            for offset in range(0, region.size, _GRANULE)
        ]

    def run_to(self, entry: int, timeout: float) -> bool:
        """Run to the entry; return False if the machine does not get there."""
        self._watch.set_all(self._watchpoints)
        try:
            with self._watch.breakpoints({entry, *self._dma_starts}):  # setting them for each run takes longer
                return any(arrived for arrived in self._stops(entry, timeout))
        finally:
            self._watch.clear_all(self._watchpoints)

    def _stops(self, entry: int, timeout: float) -> Iterator[bool]:
        """Run from stop to stop. Yield whether the machine is at the entry."""
        for _ in range(_MOST_STOPS):
            if not self._watch.run({entry, *self._dma_starts}, timeout):
                return
            registers, bits = self._state()
            rip, watched = self._linear_rip(registers), self._watched()
            if watched is not None:
                self._take_store(registers, bits, rip, watched)
            elif rip == entry:
                yield True
            elif not self._take_out(registers, bits, rip):
                return

    def _state(self) -> tuple[Registers, int]:
        """Return the registers, with the bases of the segments as `ds_base`, and the size of the code's operands."""
        bases = {f"{name}_base": self._target.register(f"{name}.base") for name in _SEGMENTS}
        registers = {**self._target.all_registers(), **bases}
        mode = cpu_mode({**registers, "cs.flags": self._target.register("cs.flags")})
        return registers, BITS.get(mode, 32)

    def _linear_rip(self, registers: Registers) -> int:
        return linear_rip(registers["rip"], {**registers, "cs.base": registers["cs_base"]})

    def _watched(self) -> Watchpoint | None:
        address = self._watch.watched_address()
        return next((one for one in self._watchpoints if one.address == address), None)

    def _take_store(self, after: Registers, bits: int, rip: int, watched: Watchpoint) -> None:
        instruction = self._decode(self._code(rip, LONGEST), rip, bits)
        before = in_the_middle(instruction, after, watched) if instruction else None
        if instruction is not None and before is not None:
            self._watch.clear_all(self._watchpoints)
            self._watch.run({instruction.end}, 5.0)
            self._watch.set_all(self._watchpoints)
            after, _ = self._state()
        else:
            instruction = self._before(rip, bits)
            before = before_repeated(instruction, after, watched, self._is_boot_data) if instruction else None
        if instruction is not None:
            self.accesses += self._stores(instruction, before, after, watched)

    def _is_boot_data(self, linear: int, size: int) -> bool:
        return any(region.paddr <= linear and linear + size <= region.end for region in self._regions)

    def _stores(
        self, instruction: Instruction, before: Registers | None, after: Registers, watched: Watchpoint
    ) -> Iterator[Access]:
        """Yield what an instruction has written to boot data. Yield nothing if it can't have written there."""
        for operand in (*instruction.memory, *on_stack(instruction)):
            linear = linear_address(instruction, operand, before, after, watched)
            if linear is None or not operand.is_written:
                continue
            start, size = extent(instruction, operand, before, after, linear)
            if any(region.overlaps(start, size) for region in self._regions):
                data = self._target.read_phys(start, size)
                if _may_store(instruction, after, data):
                    program = self._roms.name(instruction.address)
                    origin = _origin(instruction)
                    yield Access(instruction.address, instruction.text, start, size, origin, data, program)

    def _take_out(self, registers: Registers, bits: int, rip: int) -> bool:
        """Let the machine execute what may start a DMA transfer. Return False if the machine does not go on."""
        port = registers["rdx"] & 0xFFFF
        is_out = self._code(rip, 2).startswith(_OUT.get(bits, b"\0"))
        if not is_out or port not in (roms.DMA_HIGH, roms.DMA_LOW):
            self._dma_starts.discard(rip)
            self._watch.remove_breakpoint(rip)  # another device's port: do not stop here again
            return self._watch.step()
        value = int.from_bytes((registers["rax"] & 0xFFFFFFFF).to_bytes(4, "little"), "big")
        if port == roms.DMA_HIGH:
            self._high = value
            return self._watch.step()
        at, self._high = self._high << 32 | value, 0
        request = roms.dma_request(self._memory(at, roms.REQUEST_SIZE))
        going = self._watch.step()
        if request is not None and not roms.dma_failed(self._memory(at, roms.REQUEST_SIZE)):
            self.accesses += self._transfers(rip, request)
        return going

    def _transfers(self, rip: int, request: DmaRequest) -> Iterator[Access]:
        for region in self._regions:
            start = max(region.paddr, request.paddr)
            size = min(region.end, request.paddr + request.size) - start
            if size > 0:
                item = "" if request.item is None else f"fw_cfg item {request.item:#x}"
                data = self._target.read_phys(start, size)
                yield Access(rip, item, start, size, Origin(DMA), data, self._roms.name(rip))

    def _before(self, rip: int, bits: int) -> Instruction | None:
        """Return the instruction that ends at an address."""
        start = max(rip - LONGEST * 8, 0)
        code = self._code(start, rip - start)
        if (code, bits) not in self._sizes:  # the same instruction often stops the machine many times
            self._sizes[code, bits] = self._decoder.last_size(code, bits)
        size = self._sizes[code, bits]
        return None if size is None else self._decode(code[-size:], rip - size, bits)

    def _decode(self, code: bytes, address: int, bits: int) -> Instruction | None:
        found = self._decoder.decode(code, address, bits)
        return found and found._replace(memory=tuple(map(_with_segment, found.memory)))

    def _code(self, address: int, size: int) -> bytes:
        return self._memory(address, size)

    def _memory(self, paddr: int, size: int) -> bytes:
        try:
            return self._target.read_phys(paddr, size)
        except TargetError:
            return bytes(size)


def _with_segment(operand: Memory) -> Memory:
    """Return an operand with its segment: without paging, also the bases of the default segments count."""
    default = "ss" if operand.base in ("rsp", "rbp") else "ds"
    return operand._replace(segment=operand.segment or default)


def _may_store(instruction: Instruction, after: Registers, data: bytes) -> bool:
    """Return whether the bytes in memory are those that the instruction stored, as far as its operands tell."""
    sources = [one for one in instruction.registers if one.is_read and not one.is_high]
    if instruction.name != "mov" or len(sources) != 1:
        return True
    value = after.get(sources[0].name)
    return value is None or value & ((1 << 8 * len(data)) - 1) == int.from_bytes(data, "little")


def _origin(instruction: Instruction) -> Origin:
    if instruction.name in COPIES:
        return Origin(IMMEDIATE if instruction.stores_immediate else PERHAPS)
    return Origin(COMPUTED if instruction.name in COMPUTES else PERHAPS)
