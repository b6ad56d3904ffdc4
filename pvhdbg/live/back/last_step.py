"""Find the last step before a place: from a snapshot, run to the place again and see which instruction leads there.

The guest executes the same instructions again, so pvhdbg finds a place by counting how often instructions are reached.
Candidates for the last step are the instruction before the place, branches to the place, and the call of the function.
If none of them leads there, pvhdbg single-steps the guest from the snapshot, as long as the time limit allows.

A string instruction with a repeat prefix is one step, with all its repetitions, unless `by_repetition` is set. The last
step before a death is the instruction that killed the guest.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from pvhdbg.boot.stop.stages import DIED
from pvhdbg.lazy_pattern import pattern
from pvhdbg.live.back.places import has_registers
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target import monitor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.live.back.replay import Replay

_LINE = pattern(r"(0x[0-9a-f]{1,16}): +(?:[0-9a-f]{2} )+ *(\S.*)")
_TARGET = pattern(r"(?:j|loop)[a-z]* +(?:\S+, *)?(0x[0-9a-f]{1,16})$")
_CALLED = pattern(r"call[a-z]* +(0x[0-9a-f]{1,16})$")
_CALL, _RETURN, _JUMP = "call", "ret", "jmp"
_REPEATED = pattern(r"rep[nz]*e? +(?:ins|outs|movs|cmps|stos|lods|scas)")
_CHANGED_BY_REPETITION = ("rcx", "rsi", "rdi", "rax", "eflags")
_LONGEST_FUNCTION, _AFTER = 0x4000, 256
_IN_THUNK = 6
"""The most instructions of a thunk: between a return site and the caller, or a call and the function."""
_THUNK = "thunk"
_MOST_FUNCTIONS = 4
"""The most functions between a call and its return if each ends with a jump to the next one."""
_MANY_VISITS, _VISITS_LEFT = 100, 16
"""From how many visits of an instruction on a snapshot is taken on the way, and how many visits are then left."""
_MOST_STEPS = 5_000
"""The most instructions that pvhdbg single-steps if no candidate leads to the place."""


class Instruction(NamedTuple):
    address: int
    text: str


class Move(NamedTuple):
    """Run until `address` is reached for the `times`-th time or, if it is None, make that many steps.

    If a repeated instruction is there, `end` is where it ends, and its repetitions do not count.
    """

    address: int | None
    times: int
    end: int | None = None


class Walker:
    """Runs and steps the machine of a replay, from a snapshot."""

    def __init__(self, replay: Replay, *, by_repetition: bool) -> None:
        self._replay = replay
        self._by_repetition = by_repetition
        self._has_stepped = False
        self._repeated: Mapping[int, int] = {}

    @property
    def may_be_inside(self) -> bool:
        """Whether the machine may be between two repetitions of an instruction that leads to the place."""
        return self._replay.rip in self._repeated

    def go(self, moves: Sequence[Move], keep: Callable[[], None]) -> bool:
        """Make the moves. Return False if the machine did not get there.

        If a move takes many visits, call `keep` some visits before its end.
        """
        self._has_stepped = True
        for move in moves:
            if move.address is None:
                for _ in range(move.times):
                    self._step()
            elif not self._visit(move.address, move.times, move.end, keep):
                return False
        return True

    def _visit(self, address: int, times: int, end: int | None, keep: Callable[[], None]) -> bool:
        kept_at = times - _VISITS_LEFT if times > _MANY_VISITS and end is None else 0
        for visit, _ in enumerate(self._reached({address}), 1):
            if visit == times:
                return True
            if visit == kept_at:
                keep()
            if end is not None and not self._finish(end):
                return False
        return False

    def _finish(self, end: int) -> bool:
        """Execute all repetitions of an instruction. Return False if that killed the guest, or took too long."""
        self._has_stepped = True
        return self._replay.run_to({end})

    def _repeated_end(self, address: int) -> int | None:
        """Return the end of the repeated instruction at an address; None without one, or if each repetition counts."""
        if self._by_repetition:
            return None
        lines = _instructions(monitor.disassemble(self._replay.target.monitor, address, 2))
        return lines[1].address if len(lines) > 1 and _REPEATED.match(lines[0].text) else None

    def _reached(self, addresses: Collection[int]) -> Iterator[int]:
        """Yield RIP each time that the machine reaches one of the addresses, now or later, until the time is up."""
        while (self._has_stepped and self._replay.rip in addresses) or self._replay.run_to(addresses):
            self._has_stepped = False
            yield self._replay.rip

    def _count_steps(self, place: Capture, *, is_dead: bool) -> Sequence[Move] | None:
        """Step to a place. Return the moves up to the last step, which killed the guest if `is_dead` is set."""
        begin = 0
        for count in range(_MOST_STEPS):
            if not self._replay.left:
                return None
            rip = self._replay.rip
            is_alive = self._step()
            if is_alive != is_dead and self._replay.is_at(place):
                return [Move(None, count if self._repeated_end(rip) is None else begin)]
            if not is_alive:
                return None
            begin = begin if self._replay.rip == rip else count + 1
        return None

    def _step(self) -> bool:
        """Execute one instruction. Return False if that killed the guest."""
        self._has_stepped = True
        return self._replay.step()


class DeathFinder(Walker):
    """Finds the instruction that killed the guest. `place` is the capture of the dead machine."""

    def __init__(self, replay: Replay, place: Capture, *, by_repetition: bool) -> None:
        super().__init__(replay, by_repetition=by_repetition)
        self._place = place
        end = None if place.rip is None else self._repeated_end(place.rip)
        self._repeated = {} if place.rip is None or end is None else {place.rip: end}

    def find(self) -> Sequence[Move] | None:
        """Return the moves from here to the instruction that kills the guest; None if it does not die there again.

        The machine must be at the snapshot.
        """
        self._has_stepped = True
        for visits, _ in enumerate(self._reached(() if self._place.rip is None else {self._place.rip}), 1):
            end = self._repeated.get(self._replay.rip)
            if not (self._step() if end is None else self._finish(end)):
                moves = [Move(self._place.rip, visits, end)]
                return moves if self._replay.is_at(self._place) else None
        return None

    def find_by_steps(self) -> Sequence[Move] | None:
        """Like `find`, but step from the snapshot to the death. None if that takes too long."""
        return self._count_steps(self._place, is_dead=True)


class HaltFinder(Walker):
    """Finds the `hlt` that halted the guest for good. `place` is the capture of the moment before it."""

    def __init__(self, replay: Replay, place: Capture) -> None:
        super().__init__(replay, by_repetition=False)
        self._place = place

    def find(self) -> Sequence[Move] | None:
        """Return the moves from here to the `hlt`; None if the guest does not halt there again."""
        self._has_stepped = True
        for visits, rip in enumerate(self._reached({self._place.rip or 0}), 1):
            if self._replay.is_at(self._place):
                return [Move(rip, visits)]
        return None

    def find_by_steps(self) -> None:
        """Return None: if `find` does not find the `hlt`, the guest does not execute it again."""


class StepFinder(Walker):
    """Finds the last step before the capture `here`. `name_of` returns an address as symbol+offset.

    The machine must be `here` when the object is made. If it is between two repetitions of an instruction, the last
    step begins before the first one.
    """

    def __init__(
        self, replay: Replay, here: Capture, name_of: Callable[[int], str | None], *, by_repetition: bool
    ) -> None:
        super().__init__(replay, by_repetition=by_repetition)
        self._here = here
        self._name_of = name_of
        self._pc, self._rsp = here.rip or 0, here.registers.get("rsp") or 0
        self._word = 8 if here.cpu_mode == "long64" else 4
        self._callers: Collection[int] = ()
        self._known_ends: dict[int, Collection[int]] = {}
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
        for rip in self._reached({*self._steps, *self._calls, *ends, self._pc}):
            reached[rip] += 1
            if rip == self._pc and self._replay.is_at(self._here):
                return None
            if (rest := self._moves_from(rip, ends)) is not None:
                return [Move(rip, reached[rip], self._repeated.get(rip)), *rest]
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
        if rip not in self._steps:
            return None
        leads_here = self._repeat_to_here(self._repeated[rip]) if rip in self._repeated else self._step_to_here()
        return [] if leads_here else None

    def _step_to_here(self) -> bool:
        return self._replay.left > 0 and self._step() and self._replay.is_at(self._here)

    def _repeat_to_here(self, end: int) -> bool:
        """Execute a repeated instruction, up to the place if that is between two of its repetitions."""
        if self._replay.rip == self._pc:
            for _ in range(self._repetitions_to_here()):
                if not (self._replay.left and self._step()):
                    return False
            if self._replay.is_at(self._here):
                return True
        return self._finish(end) and self._replay.is_at(self._here)

    def _repetitions_to_here(self) -> int:
        """Return how many repetitions lead to the place, if this is the instruction in which it is."""
        target, there = self._replay.target, self._here.registers
        if not has_registers(target, there, _CHANGED_BY_REPETITION):
            return 0
        return max(target.register("rcx") - (there["rcx"] or 0), 0)

    def find_by_steps(self) -> Sequence[Move] | None:
        """Like `find`, but step from the snapshot to the place. None if that takes too long."""
        return self._count_steps(self._here, is_dead=False)

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
        reached: Counter[int] = Counter()
        for rip in self._reached({*ends, self._pc}):
            reached[rip] += 1
            if rip not in ends:
                return None
            if self._replay.target.register("rsp") == rsp:
                return Move(rip, reached[rip])
        return None

    def _ends_of(self, function: int) -> Collection[int]:
        """Return the instructions that return from the function at an address, or jump to another function."""
        if function not in self._known_ends:  # a loop may call it many times
            name = self._symbol_at(function)
            ends = (line.address for line in self._function(function) if self._leaves(line, name))
            self._known_ends[function] = {address for address in ends if self._symbol_at(address) == name}
        return self._known_ends[function]

    def _symbol_at(self, address: int) -> str:
        return (self._name_of(address) or "").partition("+")[0]

    def _leaves(self, line: Instruction, function: str) -> bool:
        """Return whether an instruction of a function returns, or jumps to another function."""
        if line.text.startswith(_RETURN):
            return True
        target = _TARGET.search(line.text) if line.text.startswith(_JUMP) else None
        return target is not None and self._symbol_at(int(target[1], 16)) != function

    def _candidates(self) -> tuple[Collection[int], Collection[int]]:
        """Return the instructions that may lead to the place in one step, and calls that may return to it."""
        lines = self._function(self._pc)
        is_start = not lines or lines[0].address == self._pc
        if is_start:  # the function before may continue into this one: pvh_start_64 continues into startup_64
            lines = [*_up_to(self._function(self._pc - 1), self._pc), *lines]
        before = [line for line, following in pairwise(lines) if following.address == self._pc]
        calls = [line for line in before if line.text.startswith(_CALL)]
        steps = {line.address for line in before if line not in calls}
        steps |= {line.address for line in lines if self._branches_here(line)}
        repeated = {line.address: after.address for line, after in pairwise(lines) if _REPEATED.match(line.text)}
        steps |= {self._pc} & repeated.keys()
        self._repeated = {} if self._by_repetition else {at: end for at, end in repeated.items() if at in steps}
        callers = self._call_before() if is_start else []
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
        return _instructions(monitor.disassemble(self._replay.target.monitor, start, count))


Finder = StepFinder | DeathFinder | HaltFinder


def finder(
    replay: Replay, here: Capture, name_of: Callable[[int], str | None], *, by_repetition: bool, hlt: Capture | None
) -> Finder:
    """Return what finds the last step before the capture `here`, or the instruction that killed the guest there.

    `hlt` is the capture of the moment before the `hlt` that halted the guest for good; None if it has not halted.
    """
    if here.stage == DIED:
        return DeathFinder(replay, here, by_repetition=by_repetition)
    if hlt is not None:
        return HaltFinder(replay, hlt)
    return StepFinder(replay, here, name_of, by_repetition=by_repetition)


def _up_to(lines: Sequence[Instruction], address: int) -> Sequence[Instruction]:
    """Return the instructions before an address; none if no instruction begins there."""
    addresses = [line.address for line in lines]
    return lines[: addresses.index(address)] if address in addresses else ()


def _instructions(lines: Sequence[str]) -> list[Instruction]:
    return [Instruction(int(at, 16), words.rstrip()) for at, words in _LINE.findall("\n".join(lines))]
