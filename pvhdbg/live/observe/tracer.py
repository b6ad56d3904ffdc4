"""Step a machine, and record every instruction with the registers and the memory that it wrote."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PE, EFER_LMA
from pvhdbg.abi.text import printable
from pvhdbg.boot.record import trace
from pvhdbg.boot.record.trace import Step, Store, Trace, TracedCode
from pvhdbg.errors import TargetError
from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.live.instructions.decode import LONGEST
from pvhdbg.live.observe.code_places import CodePlaces
from pvhdbg.live.observe.observer import Observer
from pvhdbg.live.observe.operands import extent, linear_address
from pvhdbg.target.rsp.rsp_runner import RspRunner

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pvhdbg.boot.run.journey import Journey
    from pvhdbg.boot.who.instruction import Instruction
    from pvhdbg.image.load import Kernel
    from pvhdbg.live.debuggee.machine_session import MachineSession
    from pvhdbg.live.qemu.process import Qemu
    from pvhdbg.live.stub.watch import RspWatch
    from pvhdbg.target.rsp.client import Rsp
    from pvhdbg.target.rsp.rsp_target import RspTarget

    Registers = dict[str, int]

_PUSHES = ("push", "call", "lcall", "enter")
_LOADS_CS = ("ljmp", "lcall", "lret", "retf", "iret", "sysret", "sysexit")
_PAGE = 0x1000
_REPEATS_WITHIN = 60.0
_NOT_STORED = ("rip", "cr8")


class Tracer(Observer):
    """Executes and records instructions, one by one, until `limit` says which limit it has reached."""

    def __init__(self, journey: Journey, target: RspTarget, watch: RspWatch) -> None:
        super().__init__(journey, target, watch, None)
        self.limit = ""
        self.steps: list[Step] = []
        self.stops: dict[str, int] = {"entry": 0}
        self._code_of: dict[tuple[int, bytes], int] = {}
        self._texts: list[tuple[int, bytes, str]] = []
        self._decoded: dict[tuple[int, int, int], tuple[Instruction | None, bytes]] = {}
        self._code_pages: set[int] = set()
        self._size_of: dict[tuple[int, int, bool], int] = {}
        self._stored, self._bits_before = 0, 32

    def step_once(self) -> bool:
        """Execute an instruction, with all its repetitions, and record it. Return False if the machine did not."""
        before = self._target.all_registers()
        instruction, raw = self._cached(before)
        if instruction is not None and instruction.is_repeated_string:
            going = self._watch.run({instruction.end}, _REPEATS_WITHIN)
        else:
            going = self._watch.step()
        if going:
            self._record_step(instruction, raw, before, self._target.all_registers())
        return going

    def _record_step(self, instruction: Instruction | None, raw: bytes, before: Registers, after: Registers) -> None:
        times = instruction.repetitions(before, after) if instruction else 1
        stores = tuple(self._stores(instruction, before, after)) if instruction else ()
        changed = {name: after[name] for name in after if before.get(name) != after[name] and name not in _NOT_STORED}
        self.steps.append(Step(self._number(before["rip"], raw, instruction), changed, stores, times))
        self._count(stores)
        if instruction is not None and instruction.name.startswith(_LOADS_CS):
            self._size_of.clear()

    def note_stop(self, stage: str) -> None:
        """Note that the machine is at a stage now."""
        if not self.limit:
            self.stops[stage] = len(self.steps)

    def _count(self, stores: tuple[Store, ...]) -> None:
        self._stored += sum(len(store.data) for store in stores)
        pages = {
            page
            for store in stores
            for page in range(store.paddr // _PAGE, (store.paddr + len(store.data)) // _PAGE + 1)
        }
        if pages & self._code_pages:
            self._decoded.clear()
            self._code_pages.clear()
        if self._stored > trace.MAX_STORED:
            self.limit = trace.SIZE
        elif len(self.steps) >= trace.MAX_STEPS:
            self.limit = trace.STEPS

    def _cached(self, registers: Registers) -> tuple[Instruction | None, bytes]:
        """Return the instruction at RIP and its bytes. They are read again only if the guest writes to that page."""
        self._bits_before = self._bits()
        key = registers["cr3"], registers["rip"], self._bits_before
        if key not in self._decoded:
            paddr = self._physical(registers["rip"])
            if paddr is not None:
                self._code_pages.add(paddr // _PAGE)
            code = self._code(registers["rip"], LONGEST)
            found = self._decoder.decode(code, registers["rip"], key[2])
            self._decoded[key] = found, code[: found.size] if found else code[:1] or b"\0"
        return self._decoded[key]

    def _bits(self) -> int:
        """Return the size of instructions. It depends on CS, which QEMU's monitor describes only slowly."""
        registers = self._target.all_registers()
        key = (
            registers["cs"],
            (registers.get("efer", 0) & EFER_LMA) | (registers["cr0"] & CR0_PE),
            registers["rip"] >> 32 > 0,
        )
        if key not in self._size_of:
            self._size_of[key] = super()._bits()
        return self._size_of[key]

    def _number(self, rip: int, raw: bytes, instruction: Instruction | None) -> int:
        key = rip, raw
        if key not in self._code_of:
            self._code_of[key] = len(self._texts)
            shown = next((text for _, _, text in self._decoder.texts(raw, rip, self._bits_before)), "")
            self._texts.append((rip, raw, printable(" ".join(shown.split())) if instruction else "(unknown)"))
        return self._code_of[key]

    def _stores(self, instruction: Instruction, before: Registers, after: Registers) -> Iterator[Store]:
        """Yield the memory that an instruction wrote, with its bytes now."""
        for operand in instruction.memory:
            if operand.is_written:
                linear = linear_address(instruction, operand, before, after, None)
                if linear is not None:
                    yield from self._read(*extent(instruction, operand, before, after, linear))
        if instruction.name.startswith(_PUSHES) and after["rsp"] < before["rsp"]:
            yield from self._read(after["rsp"], min(before["rsp"] - after["rsp"], _PAGE))

    def _read(self, linear: int, size: int) -> Iterator[Store]:
        """Read memory at a linear address, page by page; pages that follow each other in memory are one store."""
        parts: list[Store] = []
        while size > 0:
            count = min(size, _PAGE - linear % _PAGE)
            paddr = self._physical(linear)
            try:
                data = b"" if paddr is None else self._target.read_phys(paddr, count)
            except TargetError:  # a device, or no memory
                data = b""
            if paddr is not None and data:
                if parts and parts[-1].paddr + len(parts[-1].data) == paddr:
                    parts[-1] = Store(parts[-1].paddr, parts[-1].data + data)
                else:
                    parts.append(Store(paddr, data))
            linear, size = linear + count, size - count
        yield from parts

    def code(self, kernel: Kernel) -> tuple[TracedCode, ...]:
        """Return the executed instructions, with their symbols and source lines."""
        with closing(CodePlaces(kernel)) as places:
            named = [(rip, raw, text, places.at(rip)) for rip, raw, text in self._texts]
        return tuple(TracedCode(rip, raw, text, place.symbol, place.source) for rip, raw, text, place in named)


class TracingRunner(RspRunner):
    """A Runner that executes instructions one by one, until the tracer reaches a limit."""

    def __init__(self, rsp: Rsp, target: RspTarget, qemu: Qemu, tracer: Tracer) -> None:
        super().__init__(rsp, target, qemu)
        self._tracer = tracer

    def _run(self, addresses: Collection[int], timeout: float) -> bool:
        """Run until the machine stops at one of the addresses; return whether it timed out."""
        deadline = time.monotonic() + timeout
        while not self._tracer.limit and not self._interrupted:
            if not self._tracer.step_once():
                if self._find_death() is not None:
                    return False
                self._tracer.limit = trace.STOPPED
            elif self._target.register("rip") in addresses:
                return False
        return super()._run(addresses, max(deadline - time.monotonic(), 1.0)) if self._tracer.limit else False


def trace_from_here(session: MachineSession) -> Tracer:
    """Let the session's machine execute instructions one by one from now on. Return the tracer, which records them."""
    machine, journey = session.machine, session.journey
    assert isinstance(machine, StubMachine)  # noqa: S101  a machine without gdb
    assert machine.qemu is not None  # noqa: S101  it runs
    tracer = Tracer(journey, machine.target, machine.watch())
    if journey.recorder is not None:
        journey.recorder.on_stop = tracer.note_stop
    runner = TracingRunner(machine.connection, machine.target, machine.qemu, tracer)
    journey.use(machine.target, runner, machine.target.physical_reads)
    return tracer


def finished(tracer: Tracer, kernel: Kernel, ended: str) -> Trace:
    """Return the trace. `ended` is why it ends, if the tracer has reached no limit."""
    return Trace(tracer.limit or ended, tracer.stops, tracer.code(kernel), tuple(tracer.steps))
