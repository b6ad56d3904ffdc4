"""Find the last step before a place: from a snapshot, run to the place again and see which instruction leads there.

The guest executes the same instructions again, so pvhdbg finds a place by counting how often instructions are reached.
Candidates for the last step are the instruction before the place, branches to the place, and the call of the function.
If none of them leads there, pvhdbg single-steps the guest from the snapshot, as long as the time limit allows.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target import monitor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.live.back.replay import Replay

_LINE = re.compile(r"(0x[0-9a-f]{1,16}): +(?:[0-9a-f]{2} )+ *(\S.*)")
_TARGET = re.compile(r"(?:j|loop)[a-z]* +(?:\S+, *)?(0x[0-9a-f]{1,16})$")
_CALLED = re.compile(r"call[a-z]* +(0x[0-9a-f]{1,16})$")
_CALL, _RETURN, _REPEATED, _JUMP = "call", "ret", "rep", "jmp"
_LONGEST_FUNCTION, _AFTER = 0x4000, 256
_IN_THUNK = 6
"""The most instructions of a thunk: between a return site and the caller, or a call and the function."""
_THUNK = "thunk"
_MOST_FUNCTIONS = 4
"""The most functions between a call and its return if each ends with a jump to the next one."""
_MOST_STEPS = 5_000
"""The most instructions that pvhdbg single-steps if no candidate leads to the place."""


class Instruction(NamedTuple):
    address: int
    text: str


class Move(NamedTuple):
    """Run until `address` is reached for the `times`-th time or, if it is None, make that many steps."""

    address: int | None
    times: int


class Walker:
    """Runs and steps the machine of a replay, from a snapshot."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._has_stepped = False

    def go(self, moves: Sequence[Move]) -> bool:
        """Make the moves. Return False if the machine did not get there."""
        self._has_stepped = True
        for address, times in moves:
            if address is None:
                for _ in range(times):
                    self._step()
            else:
                visits = self._reached({address})
                if sum(1 for _ in zip(range(times), visits, strict=False)) < times:
                    return False
        return True

    def _reached(self, addresses: Collection[int]) -> Iterator[int]:
        """Yield RIP each time that the machine reaches one of the addresses, now or later, until the time is up."""
        while (self._has_stepped and self._replay.rip in addresses) or self._replay.run_to(addresses):
            self._has_stepped = False
            yield self._replay.rip

    def _step(self) -> bool:
        """Execute one instruction. Return False if that killed the guest."""
        self._has_stepped = True
        return self._replay.step()


class DeathFinder(Walker):
    """Finds the instruction that killed the guest. `place` is the capture of the dead machine."""

    def __init__(self, replay: Replay, place: Capture) -> None:
        super().__init__(replay)
        self._place = place

    def find(self) -> Sequence[Move] | None:
        """Return the moves from here to the instruction that kills the guest; None if it does not die there again.

        The machine must be at the snapshot.
        """
        self._has_stepped = True
        for visits, _ in enumerate(self._reached(() if self._place.rip is None else {self._place.rip}), 1):
            if not self._step():
                moves = [Move(self._place.rip, visits)]
                return moves if self._replay.is_at(self._place) else None
        return None

    def find_by_steps(self) -> Sequence[Move] | None:
        """Like `find`, but step from the snapshot to the death. None if that takes too long."""
        for count in range(_MOST_STEPS):
            if not self._replay.left:
                return None
            if not self._step():
                return [Move(None, count)] if self._replay.is_at(self._place) else None
        return None


class StepFinder(Walker):
    """Finds the last step before the capture `here`. `name_of` returns an address as symbol+offset.

    The machine must be `here` when the object is made.
    """

    def __init__(self, replay: Replay, here: Capture, name_of: Callable[[int], str | None]) -> None:
        super().__init__(replay)
        self._here = here
        self._name_of = name_of
        self._pc, self._rsp = here.rip or 0, here.registers.get("rsp") or 0
        self._word = 8 if here.cpu_mode == "long64" else 4
        self._callers: Collection[int] = ()
        self._counted: Collection[int] = ()
        self._steps, self._calls = self._candidates()

    def find(self) -> Sequence[Move] | None:
        """Return the moves from here to the instruction before the place. None if no candidate leads there.

        The machine must be at the snapshot, which may be inside the function that returns to the place.
        """
        self._has_stepped = True
        reached: Counter[int] = Counter()
        rsp = self._rsp - self._word if self._calls else self._rsp
        is_called = self._calls or self._callers
        ends = {**self._ends, **(dict.fromkeys(self._ends_of(self._replay.rip), rsp) if is_called else {})}
        self._counted = {*self._steps, *self._calls, *ends, self._pc}
        for rip in self._reached(self._counted):
            reached[rip] += 1
            if rip == self._pc and self._replay.is_at(self._here):
                return None
            if (rest := self._moves_from(rip, ends)) is not None:
                return [Move(rip, reached[rip]), *rest]
        return None

    def _moves_from(self, rip: int, ends: Mapping[int, int]) -> Sequence[Move] | None:
        """Return the moves from a candidate at RIP; None if it does not lead to the place this time.

        `ends` has the instructions that leave a function, with the stack pointer there if they lead to the place.
        """
        if rip in self._calls:
            return self._follow_call(self._rsp - self._word)
        if rip in self._callers:
            return self._follow_call(self._rsp)
        if ends.get(rip) == self._replay.target.register("rsp"):
            return self._follow_call(ends[rip])
        if rip not in self._steps or (count := self._steps_to_here(1)) is None:
            return None
        return [Move(None, count)]

    def find_by_steps(self) -> Sequence[Move] | None:
        """Like `find`, but step from the snapshot to the place. None if that takes too long."""
        self._counted = ()
        count = self._steps_to_here(_MOST_STEPS)
        return None if count is None else [Move(None, count)]

    def _follow_call(self, rsp: int) -> Sequence[Move] | None:
        """Follow the function that is called or left here, and the functions that it ends in by a jump, to the place.

        `rsp` is the stack pointer at the beginning and at the end of these functions.
        """
        moves: list[Move] = []
        for _ in range(_MOST_FUNCTIONS):
            steps, is_here = self._enter_function()
            if is_here:
                return [*moves, Move(None, steps - 1)]
            if (end := self._run_to_end(rsp)) is None:
                return None
            moves += [Move(None, steps), end]
        return None

    def _enter_function(self) -> tuple[int, bool]:
        """Step to the place or to a function that is not a thunk. Return the steps, and whether this is the place."""
        for steps in range(1, _IN_THUNK + 1):
            if not self._step():
                break
            if self._replay.is_at(self._here):
                return steps, True
            if _THUNK not in (self._name_of(self._replay.rip) or ""):
                break
        return steps, False

    def _run_to_end(self, rsp: int) -> Move | None:
        """Run from the first instruction of a function to the instruction that leaves it."""
        ends = self._ends_of(self._replay.rip)
        self._counted = {*ends, self._pc}
        reached: Counter[int] = Counter()
        for rip in self._reached(self._counted):
            reached[rip] += 1
            if rip not in ends:
                return None
            if self._replay.target.register("rsp") == rsp:
                return Move(rip, reached[rip])
        return None

    def _ends_of(self, function: int) -> set[int]:
        """Return the instructions that return from the function at an address, or jump to another function."""
        name = self._symbol_at(function)
        lines = [line for line in self._function(function) if self._symbol_at(line.address) == name]
        own = {line.address for line in lines}
        return {line.address for line in lines if self._returns(line) or _jumps_out(line, own)}

    def _symbol_at(self, address: int) -> str:
        return (self._name_of(address) or "").partition("+")[0]

    def _steps_to_here(self, most: int) -> int | None:
        """Make up to `most` steps, up to the next counted address.

        Return how many there are before the one that led here; None if none did.
        """
        for count in range(most):
            if not (self._replay.left and self._step()):
                return None
            if self._replay.is_at(self._here):
                return count
            if self._replay.rip in self._counted:
                return None
        return None

    def _returns(self, line: Instruction) -> bool:
        if line.text.startswith(_RETURN):
            return True
        target = _TARGET.search(line.text) if line.text.startswith(_JUMP) else None
        return target is not None and "return_thunk" in (self._name_of(int(target[1], 16)) or "")

    def _candidates(self) -> tuple[Collection[int], Collection[int]]:
        """Return the instructions that may lead to the place in one step, and calls that may return to it."""
        lines = self._function(self._pc)
        before = [line for line, following in pairwise(lines) if following.address == self._pc]
        calls = [line for line in before if line.text.startswith(_CALL)]
        steps = {line.address for line in before if line not in calls}
        steps |= {line.address for line in lines if self._branches_here(line)}
        steps |= {line.address for line in lines if line.address == self._pc and line.text.startswith(_REPEATED)}
        callers = self._call_before() if not lines or lines[0].address == self._pc else []
        self._callers = {line.address for line in callers}
        self._ends = {**self._ends_of_called(calls, self._rsp - self._word), **self._ends_of_called(callers, self._rsp)}
        return steps | self._callers, {line.address for line in calls}

    def _ends_of_called(self, calls: Sequence[Instruction], rsp: int) -> dict[int, int]:
        """Return the ends of the functions that are called, each with the stack pointer there."""
        targets = [target for line in calls if (target := _CALLED.search(line.text))]
        return {end: rsp for target in targets for end in self._ends_of(int(target[1], 16))}

    def _branches_here(self, line: Instruction) -> bool:
        target = _TARGET.search(line.text)
        return target is not None and int(target[1], 16) == self._pc

    def _call_before(self) -> list[Instruction]:
        """Return the call that ends at the return address, if the place is the first instruction of a function."""
        address = int.from_bytes(self._read_stack(self._word), "little")
        lines = self._function(address - 1)
        return [line for line, after in pairwise(lines) if after.address == address]

    def _read_stack(self, size: int) -> bytes:
        words = self._replay.target.monitor(f"x/{size}xb {self._rsp:#x}")
        return bytes(monitor.parse_memory(words))[:size]

    def _function(self, address: int) -> list[Instruction]:
        """Disassemble from the start of the function at an address to at least `_AFTER` bytes after the address."""
        offset = int((self._name_of(address) or "").partition("+")[2] or "0", 16)
        start = address - (offset if offset <= _LONGEST_FUNCTION else 0)
        count = min((address - start) // 2 + _AFTER, _LONGEST_FUNCTION)
        text = "\n".join(monitor.disassemble(self._replay.target.monitor, start, count))
        return [Instruction(int(at, 16), words.rstrip()) for at, words in _LINE.findall(text)]


def _jumps_out(line: Instruction, own: Collection[int]) -> bool:
    target = _TARGET.search(line.text) if line.text.startswith(_JUMP) else None
    return target is not None and int(target[1], 16) not in own
