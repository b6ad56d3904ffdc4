"""Find the last step before a place: from a snapshot, run to the place again and see which instruction leads there.

The guest takes the same way again, so a place is found by counting how often instructions are reached. Candidates for
the last step are the instruction before the place, branches to the place, and the call that led to a function.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.errors import MemoryUnreadable
from pvhdbg.target import monitor
from pvhdbg.target.base import HIT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.live.debuggee.own_machine import OwnMachine

_LINE = re.compile(r"(0x[0-9a-f]{1,16}): +(?:[0-9a-f]{2} )+ *(\S.*)")
_TARGET = re.compile(r"(?:j|loop)[a-z]* +(?:\S+, *)?(0x[0-9a-f]{1,16})$")
_CALL, _RETURN, _REPEATED, _JUMP = "call", "ret", "rep", "jmp"
_LONGEST_FUNCTION, _AFTER, _LONGEST_INSTRUCTION = 0x4000, 256, 15
_IN_THUNK = 6
"""The most instructions of a thunk: between a return site and the caller, or a call and the function."""
_STEP_TIMEOUT = 5.0


class Instruction(NamedTuple):
    address: int
    text: str


class Move(NamedTuple):
    """Run until `address` is reached for the `times`-th time or, if it is None, make that many steps."""

    address: int | None
    times: int


def is_at(machine: OwnMachine, place: Capture) -> bool:
    """Return whether the machine's registers and boot data are those of a capture."""
    target = machine.target
    if any(target.register(name) != value for name, value in place.registers.items()):
        return False
    try:
        with target.physical_reads():
            return all(target.read_phys(paddr, len(data)) == data for paddr, data in place.memory)
    except MemoryUnreadable:
        return False


class Way:
    """The way from a snapshot of the machine to the capture `here`. `name_of` returns an address as symbol+offset.

    The machine must be `here` when the object is made.
    """

    def __init__(self, machine: OwnMachine, here: Capture, name_of: Callable[[int], str | None], limit: float) -> None:
        self._machine = machine
        self._here = here
        self._name_of = name_of
        self._deadline = time.monotonic() + limit
        self._pc, self._rsp = here.rip or 0, here.registers.get("rsp") or 0
        self._callers: Collection[int] = ()
        self._steps, self._calls = self._candidates()
        self._has_stepped = False

    def find(self) -> Sequence[Move] | None:
        """Return the moves from here to the instruction before the place. None if no candidate leads there.

        The machine must be at the snapshot, which may be inside the function that returns to the place.
        """
        reached: Counter[int] = Counter()
        returns = self._returns_of(self._machine.target.register("rip")) if self._calls else set()
        for rip in self._reached({*self._steps, *self._calls, *returns, self._pc}):
            reached[rip] += 1
            if rip == self._pc and is_at(self._machine, self._here):
                return None
            if (rest := self._rest_of_way(rip, returns)) is not None:
                return [Move(rip, reached[rip]), *rest]
        return None

    def _rest_of_way(self, rip: int, returns: Collection[int]) -> Sequence[Move] | None:
        """Return the moves from a candidate at RIP; None if it does not lead to the place this time."""
        if rip in self._calls:
            return self._find_return()
        count = None
        if rip in returns:
            count = self._steps_after_return()
        elif rip in self._steps:
            count = self._steps_to_here(_IN_THUNK if rip in self._callers else 1)
        return None if count is None else [Move(None, count)]

    def go(self, moves: Sequence[Move]) -> bool:
        """Make the moves from the snapshot on. Return False if the machine did not get there."""
        for address, times in moves:
            if address is None:
                for _ in range(times):
                    self._step()
            else:
                visits = self._reached({address})
                if sum(1 for _ in zip(range(times), visits, strict=False)) < times:
                    return False
        return True

    def _find_return(self) -> Sequence[Move] | None:
        """Step into the function that is called, and find the instruction that returns to the place."""
        self._step()
        returns = self._returns_of(self._machine.target.register("rip"))
        reached: Counter[int] = Counter()
        for rip in self._reached({*returns, self._pc}):
            reached[rip] += 1
            if rip not in returns:
                return None
            if (count := self._steps_after_return()) is not None:
                return [Move(None, 1), Move(rip, reached[rip]), Move(None, count)]
        return None

    def _steps_after_return(self) -> int | None:
        """Like `_steps_to_here`, from an instruction that returns to the place if the stack is that deep."""
        is_last = self._machine.target.register("rsp") == self._rsp - 8
        return self._steps_to_here(_IN_THUNK) if is_last else None

    def _returns_of(self, function: int) -> set[int]:
        return {line.address for line in self._function(function) if self._returns(line)}

    def _steps_to_here(self, most: int) -> int | None:
        """Make up to `most` steps. Return how many there are before the one that led here; None if none did."""
        for count in range(most):
            self._step()
            if is_at(self._machine, self._here):
                return count
        return None

    def _returns(self, line: Instruction) -> bool:
        if line.text.startswith(_RETURN):
            return True
        target = _TARGET.search(line.text) if line.text.startswith(_JUMP) else None
        return target is not None and "return_thunk" in (self._name_of(int(target[1], 16)) or "")

    def _reached(self, addresses: Collection[int]) -> Iterator[int]:
        """Yield RIP each time that the machine reaches one of the addresses, now or later, until the time is up."""
        target, runner = self._machine.target, self._machine.runner
        self._has_stepped = True
        while True:
            rip = target.register("rip")
            if not (self._has_stepped and rip in addresses):
                halt = runner.run_to(addresses, max(self._deadline - time.monotonic(), 0.0))
                if halt.kind != HIT or halt.rip is None:
                    return
                rip = halt.rip
            self._has_stepped = False
            yield rip

    def _step(self) -> None:
        gdb = self._machine.gdb
        gdb.ask("-exec-step-instruction")
        gdb.wait_stop(_STEP_TIMEOUT)
        self._has_stepped = True

    def _candidates(self) -> tuple[Collection[int], Collection[int]]:
        """Return the instructions that may lead to the place in one step, and calls that may return to it."""
        lines = self._function(self._pc)
        steps = {line.address for line in lines if self._branches_here(line)}
        calls: set[int] = set()
        for line, following in pairwise(lines):
            if following.address == self._pc:
                (calls if line.text.startswith(_CALL) else steps).add(line.address)
        steps |= {line.address for line in lines if line.address == self._pc and line.text.startswith(_REPEATED)}
        if not lines or lines[0].address == self._pc:
            self._callers = self._call_before()
            steps |= self._callers
        return steps, calls

    def _branches_here(self, line: Instruction) -> bool:
        target = _TARGET.search(line.text)
        return target is not None and int(target[1], 16) == self._pc

    def _call_before(self) -> set[int]:
        """Return the call that ends at the return address, if the place is the first instruction of a function."""
        size = 8 if self._here.cpu_mode == "long64" else 4
        address = int.from_bytes(self._read_stack(size), "little")
        lines = self._function(address - 1)
        return {line.address for line, after in pairwise(lines) if after.address == address}

    def _read_stack(self, size: int) -> bytes:
        words = self._machine.target.monitor(f"x/{size}xb {self._rsp:#x}")
        return bytes(monitor.parse_memory(words))[:size]

    def _function(self, address: int) -> list[Instruction]:
        """Disassemble from the start of the function at an address to some way after the address."""
        offset = int((self._name_of(address) or "").partition("+")[2] or "0", 16)
        start = address - (offset if offset <= _LONGEST_FUNCTION else 0)
        count = min((address - start) // 2 + _AFTER, _LONGEST_FUNCTION)
        text = "\n".join(monitor.disassemble(self._machine.target.monitor, start, count))
        return [Instruction(int(at, 16), words.rstrip()) for at, words in _LINE.findall(text)]
