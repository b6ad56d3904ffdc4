"""Step and run a machine whose boot data is watched, and turn each stop into accesses to boot data.

While no value is followed, the machine runs from watchpoint to watchpoint. After it has read boot data, it is stepped
until no register holds that value, so that pvhdbg sees what happens to the value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PG, EFER_LMA, cpu_mode
from pvhdbg.boot.who.access import COMPUTED, PERHAPS, Access, Origin
from pvhdbg.boot.who.copies import Copies, Place
from pvhdbg.boot.who.instruction import COPIES
from pvhdbg.errors import TargetError
from pvhdbg.live.instructions.decode import BITS, LONGEST, Decoder
from pvhdbg.live.observe.operands import before_repeated, extent, in_the_middle, linear_address, on_stack
from pvhdbg.live.observe.regions import watchpoints

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pvhdbg.boot.run.journey import Journey
    from pvhdbg.boot.who.instruction import Instruction, Memory
    from pvhdbg.image.debug_info.symbols import Symbols
    from pvhdbg.live.observe.regions import Region
    from pvhdbg.live.stub.watch import RspWatch, Watchpoint
    from pvhdbg.target.rsp.rsp_target import RspTarget

_MOST_STOPS, _MOST_STEPS = 20_000, 20_000
"""The most stops at watchpoints, and the most steps, while a guest is observed."""

_PATIENCE = 48
"""The most instructions for which a value is followed without an access to boot data."""

_LONGEST_FUNCTION = 1 << 16
_PAGE = 0x1000

Registers = dict[str, int]


class Observer:
    """Runs a machine, and collects the accesses to `regions`. `unexplained` has stops whose access was not found."""

    def __init__(self, journey: Journey, target: RspTarget, watch: RspWatch, symbols: Symbols | None) -> None:
        self.accesses: list[Access] = []
        self.unexplained: list[tuple[int, int]] = []
        self._journey, self._target, self._watch, self._symbols = journey, target, watch, symbols
        self._regions: list[Region] = []
        self._watchpoints: list[Watchpoint] = []
        self._by_address: dict[int, Watchpoint] = {}
        self._decoder = Decoder()
        self._copies = Copies()
        self._pages: dict[tuple[int, int], int] = {}
        self._stops = self._steps = self._patience = 0

    def watch_regions(self, regions: list[Region]) -> None:
        """Watch more regions."""
        self._watch.clear_all(self._watchpoints)
        self._regions += regions
        self._watchpoints = watchpoints(self._regions, self._journey)
        self._by_address = {watchpoint.address: watchpoint for watchpoint in self._watchpoints}
        self._watch.set_all(self._watchpoints)

    @property
    def regions(self) -> Sequence[Region]:
        return tuple(self._regions)

    def run_to(self, addresses: Collection[int], timeout: float) -> bool:
        """Run to one of these addresses; return False if the machine does not get there."""
        with self._watch.breakpoints(addresses):  # setting them for each run takes longer
            return self._run_to(addresses, timeout)

    def _run_to(self, addresses: Collection[int], timeout: float) -> bool:
        while self._rip() not in addresses:
            if self._stops > _MOST_STOPS or self._steps > _MOST_STEPS:
                return False
            if self._copies.followed and self._patience > 0:
                going = self._step()
            else:
                self._copies.give_up(self._target.all_registers())
                going = self._run(addresses, timeout)
            if not going:
                return False
        return True

    def _rip(self) -> int:
        return self._target.register("rip")

    def _step(self) -> bool:
        before = self._target.all_registers()
        instruction = self._instruction_at(before["rip"])
        self._steps += 1
        self._patience -= 1
        if instruction is None:
            self._copies.give_up(before)
            return self._watch.step()
        return self._execute(instruction, before)

    def _execute(self, instruction: Instruction, before: Registers) -> bool:
        """Let the machine execute an instruction, with all its repetitions."""
        if instruction.is_repeated_string:
            self._watch.clear_all(self._watchpoints)
            going = self._watch.run({instruction.end}, 5.0)
            self._watch.set_all(self._watchpoints)
        else:
            going = self._watch.step()
            if going and self._rip() == before["rip"] and instruction.name != "jmp":
                going = self._watch.step()  # QEMU 7.2 stops at the access first, and executes it with the next step
        after = self._target.all_registers()
        if going or after["rip"] != before["rip"] or after["rcx"] != before["rcx"]:  # a fault executes nothing
            self._record(instruction, before, after)
        return going

    def _run(self, addresses: Collection[int], timeout: float) -> bool:
        self._stops += 1
        going = self._watch.run(addresses, timeout)
        watched = self._by_address.get(self._watch.watched_address() or 0)
        if not going or watched is None:
            return going
        after = self._target.all_registers()
        instruction = self._instruction_at(after["rip"])
        if instruction is not None and (before := in_the_middle(instruction, after, watched)) is not None:
            return self._execute(instruction, before)
        instruction = self._instruction_before(after["rip"])
        if instruction is None:
            self.unexplained.append((after["rip"], watched.address))
            return True
        before = before_repeated(instruction, after, watched, self._is_boot_data)
        self._record(instruction, before, after, watched)
        return True

    def _record(
        self, instruction: Instruction, before: Registers | None, after: Registers, watched: Watchpoint | None = None
    ) -> None:
        places = [
            self._place(instruction, operand, before, after, watched)
            for operand in (*instruction.memory, *on_stack(instruction))
        ]
        inside = [self._is_watched(place) for place in places]
        origin = self._copies.follow(instruction, places, inside)
        for place, known in zip(places, inside, strict=True):
            if known and place.paddr is not None:
                self._patience = _PATIENCE
                self.accesses += self._accesses(instruction, place, origin)
        if watched is not None and not any(inside):
            self.unexplained.append((instruction.address, watched.address))

    def _accesses(self, instruction: Instruction, place: Place, origin: Origin | None) -> Iterator[Access]:
        paddr = place.paddr or 0
        access = Access(instruction.address, instruction.text, paddr, place.size, None)
        if place.operand.is_read:
            yield access
        if place.operand.is_written and place.size > _PAGE:
            yield from self._clipped(access, origin)
        elif place.operand.is_written:
            data = self._target.read_phys(paddr, place.size)
            element = data[: place.operand.size]
            if origin == Origin(COMPUTED) and instruction.name in COPIES and self._copies.may_be_lost(element):
                origin = Origin(PERHAPS)
            yield access._replace(origin=origin, data=data)

    def _clipped(self, access: Access, origin: Origin | None) -> Iterator[Access]:
        """Yield the parts of a large store that are boot data: clear_bss clears much more than boot_params."""
        for region in self._regions:
            start, end = max(region.paddr, access.paddr), min(region.end, access.end)
            if start < end:
                skipped = start - access.paddr
                moved = origin and origin._replace(paddr=None if origin.paddr is None else origin.paddr + skipped)
                data = self._target.read_phys(start, end - start)
                yield access._replace(paddr=start, size=end - start, origin=moved, data=data)

    def _is_boot_data(self, linear: int, size: int) -> bool:
        paddr = self._physical(linear)
        return paddr is not None and any(one.paddr <= paddr and paddr + size <= one.end for one in self._regions)

    def _is_watched(self, place: Place) -> bool:
        return place.paddr is not None and any(region.overlaps(place.paddr, place.size) for region in self._regions)

    def _place(
        self,
        instruction: Instruction,
        operand: Memory,
        before: Registers | None,
        after: Registers,
        watched: Watchpoint | None,
    ) -> Place:
        linear = linear_address(instruction, operand, before, after, watched)
        if linear is None:
            return Place(operand, None, operand.size)
        start, size = extent(instruction, operand, before, after, linear)
        return Place(operand, self._physical(start), size)

    def _physical(self, linear: int) -> int | None:
        registers = self._target.all_registers()
        if not registers["cr0"] & CR0_PG:
            return linear
        page = linear - linear % _PAGE
        if (registers["cr3"], page) not in self._pages:
            try:
                self._pages[registers["cr3"], page] = self._journey.addresses().physical(page)
            except TargetError:
                return None
        return self._pages[registers["cr3"], page] + linear % _PAGE

    def _bits(self) -> int:
        registers: Mapping[str, int | None] = self._target.all_registers()
        if (registers["rip"] or 0) >> 32:
            return 64
        if (
            not (registers.get("efer") or 0) & EFER_LMA
            and (registers["cr0"] or 0) & 1
            and (registers["rip"] or 0) >> 16
        ):
            return 32
        flags = self._target.register("cs.flags")
        return BITS.get(cpu_mode({**registers, "cs.flags": flags}), 32)

    def _code(self, address: int, size: int) -> bytes:
        paddr = self._physical(address)
        try:
            return b"" if paddr is None else self._target.read_phys(paddr, size)
        except TargetError:
            return b""

    def _instruction_at(self, address: int) -> Instruction | None:
        return self._decoder.decode(self._code(address, LONGEST), address, self._bits())

    def _instruction_before(self, address: int) -> Instruction | None:
        """Return the instruction that ends at an address: found by decoding the function from its beginning."""
        start = self._function_start(address)
        if start is None:
            return None
        code = self._code(start, address - start)
        for at, size in self._decoder.sizes(code, start, self._bits()):
            if at + size == address:
                return self._decoder.decode(code[at - start :], at, self._bits())
        return None

    def _function_start(self, address: int) -> int | None:
        image = self._journey.image
        linked = image.to_vaddr(address) if image else None
        # The instruction that was executed may be the last of its function.
        found = self._symbols.enclosing((address if linked is None else linked) - 1) if self._symbols else None
        if found is None or found[1] >= _LONGEST_FUNCTION:
            return None
        return address - 1 - found[1]
