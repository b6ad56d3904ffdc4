"""Walk back and forth at random through a boot, and compare each place with a run that only steps forward.

A place is the number of single steps after `prepare`, up to `bootparams`; later stages are places by their names. A
repeated instruction has a place for each repetition: F11 and F7 move over all of them, gdb's commands over one. After
each move, the registers and the boot data must be those of the run forward at the same count. A move back may be
refused; then the machine must not have moved.

From QEMU 10 on, a repeated instruction takes one step more or less from run to run. There it has one place, and gdb's
commands are not among the moves.
"""

from __future__ import annotations

import random
import subprocess
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg import guest
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings
from pvhdbg.boot.stop.stages import stage
from pvhdbg.errors import GuestError
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.live.system.programs import QEMU
from tests import kernels
from tests.live.runs import binary_for, booted, rewindable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.live.back.going_back import RewindableDebuggee

KERNELS = ("teaching", "6.1", "6.12", "6.1-686")
FIRST, LAST, LATER = "prepare", "bootparams", ("kernel", "e820")
_MOST_STEPS = 100_000
BACK, FORWARD = "reverse-stepi", "stepi"
_CHOICES = ("F7", "F7", "F7", BACK, BACK, "F11", "F11", FORWARD, FORWARD, "continue", "continue", "F6", "F8")

Place = int | str
State = tuple[object, object]


@cache
def repetitions_are_places() -> bool:
    text = subprocess.run(["qemu-system-x86_64", "--version"], check=True, capture_output=True, text=True).stdout
    found = QEMU.version_pattern.match(text)
    assert found, text
    return int(found[1]) < 10


def moves_here() -> list[str]:
    """Return the moves that this QEMU allows, each as often as it is chosen."""
    return [name for name in _CHOICES if repetitions_are_places() or name not in (BACK, FORWARD)]


def path_of(kernel: str) -> Path:
    return guest.ELF if kernel == "teaching" else kernels.vmlinux(kernel)


class Forward:
    """A machine that is only stepped forward, from `prepare` on."""

    def __init__(self, machine: StubMachine, kernel: Path) -> None:
        opened = open_kernel(str(kernel), machine.folder)
        booted(machine, kernel, {"binary": binary_for(opened)})
        machine.target.symbols = SymbolsAndStrings(opened.symbols, opened.facts)
        self.machine = machine
        self.journey = Journey(machine.target, machine.runner, opened.facts, trust_image=True)
        assert all(halt.kind == "hit" for halt in self.journey.go(FIRST, 60))

    def steps(self) -> Iterator[int]:
        """Yield RIP at each place, from `prepare` to `bootparams`."""
        watch, target = self.machine.watch(), self.machine.target
        ends = self.journey.stage_addresses(stage(LAST))
        before = None
        for _ in range(_MOST_STEPS):
            rip = target.register("rip")
            if rip != before or repetitions_are_places():
                yield rip
            if rip in ends:
                return
            before = rip
            assert watch.step()
        raise AssertionError(f"more than {_MOST_STEPS} instructions")

    def to_stage(self, name: str) -> State:
        assert all(halt.kind == "hit" for halt in self.journey.go(name, 60))
        return state(self.journey.history[-1])


def state(capture: Capture) -> State:
    return capture.registers, capture.memory


@contextmanager
def forward(kernel: Path) -> Iterator[Forward]:
    machine = StubMachine()
    try:
        yield Forward(machine, kernel)
    finally:
        machine.close()


def run_forward(kernel: Path, places: Collection[Place]) -> dict[Place, State]:
    """Return the states at places, from a run that only steps forward, and from one that runs from stage to stage."""
    found: dict[Place, State] = {}
    with forward(kernel) as run:
        for count, _ in enumerate(run.steps()):
            if count in places:
                found[count] = state(run.journey.capture_now())
    with forward(kernel) as run:
        found |= {name: run.to_stage(name) for name in LATER if name in places}
    return found


class Walk:
    """A walk on one machine. `rips` are the values of RIP at the places in their order."""

    def __init__(self, debuggee: RewindableDebuggee, rips: list[int], seed: int) -> None:
        self._debuggee = debuggee
        self._rips = rips
        self._end = len(rips) - 1
        self._choice = random.Random(seed)
        self._counts: Mapping[int, list[int]] = _positions(rips)
        self._place: Place = 0
        self._captured = [0]
        self.moves: Counter[str] = Counter()
        self.refused: list[tuple[str, Place, str]] = []
        self.seen: list[tuple[str, Place, State]] = []
        self.took: list[float] = []

    def move(self) -> None:
        """Make one move, and note where it should have led, and where it did."""
        name = self._choice.choice(moves_here())
        before = self._place
        start = time.perf_counter()
        try:
            moved = self._make(name)
        except GuestError as error:
            moved, self._place = True, before
            self.refused.append((name, before, str(error)))
        if not moved:
            return
        self.took.append(time.perf_counter() - start if name == "F7" else 0.0)
        self.moves[name] += 1
        self.seen.append((name, self._place, state(self._debuggee.session.current())))
        if self._choice.random() < 0.3:
            self._debuggee.keep_snapshot()

    def _make(self, name: str) -> bool:
        """Return False if this move is not possible here."""
        place, debuggee = self._place, self._debuggee
        if isinstance(place, str):
            return self._from_later(name, place)
        if name in ("F7", BACK) and place > 0:
            debuggee.step_back(by_repetition=name == BACK)
            self._place = place - 1 if name == BACK else self._first_repetition(place - 1)
        elif name == "F11" and place < self._end:
            debuggee.resume("stepi")
            self._place = self._last_repetition(place) + 1
        elif name == FORWARD and place < self._end:
            debuggee.console("stepi", lambda: None)
            self._place = place + 1
        elif name == "continue" and place < self._end - 1:
            self._continue(place)
        elif name == "F6":
            debuggee.next_stage()
            self._place = self._end if place < self._end else LATER[0]
        elif name == "F8" and place > 0:
            debuggee.back(None)
            self._place = 0
        else:
            return False
        return True

    def _from_later(self, name: str, place: str) -> bool:
        debuggee = self._debuggee
        if name == "F8":
            debuggee.back(None)
            self._place = self._end if place == LATER[0] else LATER[0]
        elif name == "F6" and place != LATER[-1]:
            debuggee.next_stage()
            self._place = LATER[-1]
        elif name in ("F7", BACK):  # there and forward again
            debuggee.step_back(by_repetition=name == BACK)
            debuggee.resume("stepi")
        else:
            return False
        return True

    def _first_repetition(self, place: int) -> int:
        while place > 0 and self._rips[place - 1] == self._rips[place]:
            place -= 1
        return place

    def _last_repetition(self, place: int) -> int:
        while place < self._end and self._rips[place + 1] == self._rips[place]:
            place += 1
        return place

    def _continue(self, place: int) -> None:
        """Continue to a breakpoint: the next time that an instruction is reached."""
        rip = self._rips[self._choice.randrange(place + 1, self._end)]
        counts = self._counts[rip]
        self._debuggee.console(f"hbreak *{rip:#x}", lambda: None)
        self._debuggee.resume("continue")
        self._debuggee.console(f"clear *{rip:#x}", lambda: None)
        self._place = counts[bisect_right(counts, place)]


def _positions(rips: list[int]) -> Mapping[int, list[int]]:
    found = defaultdict(list)
    for count, rip in enumerate(rips):
        found[rip].append(count)
    return found


class Result(NamedTuple):
    """What a walk did. `wrong` has the places whose state is not that of the run forward.

    `refused` has the moves that were refused, and where. `took` has the milliseconds of each F7, sorted.
    """

    moves: Counter[str]
    refused: list[tuple[str, Place, str]]
    wrong: list[tuple[int, str, Place]]
    took: list[float]


def walk(kernel: Path, seed: int, moves: int) -> Result:
    with forward(kernel) as run:
        rips = list(run.steps())
    with OwnMachine() as machine:
        debuggee = rewindable(machine, kernel, ())
        debuggee.keep_snapshot()
        walked = Walk(debuggee, rips, seed)
        while sum(walked.moves.values()) < moves:
            walked.move()
    expected = run_forward(kernel, {place for _, place, _ in walked.seen})
    wrong = [(index, name, place) for index, (name, place, found) in enumerate(walked.seen) if found != expected[place]]
    return Result(walked.moves, walked.refused, wrong, sorted(took * 1000 for took in walked.took if took))
