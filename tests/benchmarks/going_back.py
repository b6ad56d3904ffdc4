"""Measure how long going back takes, and what snapshots cost on the way forward.

    python -m tests.benchmarks.going_back [N] [KERNEL]

Each is measured N times (15) in one machine with 512 MiB of memory. KERNEL defaults to Debian's Linux 6.1.
"""

from __future__ import annotations

import statistics
import sys
import time
from operator import truediv
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.live.debuggee.own_machine import OwnMachine
from tests import kernels
from tests.benchmarks import back_floor
from tests.live.runs import rewindable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.live.back.going_back import RewindableDebuggee
    from tests.benchmarks.back_floor import BackFloor

_FIELD = "boot_params.hdr.cmd_line_ptr"


class Times(NamedTuple):
    """Medians in milliseconds. `forward` is a ratio: the way from stage to stage with snapshots, and without.

    `save` is how long a key waits at most that comes while a snapshot is taken. `one_instruction_ratio` and
    `to_writer_ratio` compare with back_floor.
    """

    to_stage: float
    one_instruction: float
    to_writer: float
    save: float
    forward: float
    one_instruction_ratio: float
    to_writer_ratio: float


def measure(kernel: Path, times: int) -> Times:
    """Measure each. The first time, which warms up, is not counted."""
    with OwnMachine() as machine, back_floor.started(kernel) as floor:
        debuggee = rewindable(machine, kernel, (), memory="512M")
        debuggee.keep_snapshot()
        took = [(*_there_and_back(debuggee), *_floor_there_and_back(floor)) for _ in range(times + 1)][1:]
    ways = [_way_forward(kernel, None) / _way_forward(kernel, "off") for _ in range(times + 1)][1:]
    to_stage, one, writer, save, floor_one, floor_writer = zip(*took, strict=True)
    ratios = [statistics.median(map(truediv, *pair)) for pair in ((one, floor_one), (writer, floor_writer))]
    return Times(*map(statistics.median, (to_stage, one, writer, save, ways)), *ratios)


def _there_and_back(debuggee: RewindableDebuggee) -> tuple[float, float, float, float]:
    """Measure each of the ways back once, from `prepare` on, and return there."""
    debuggee.next_stage()
    save = _milliseconds(debuggee.keep_snapshot)
    debuggee.next_stage()
    to_stage = _milliseconds(lambda: debuggee.back("bootparams"))
    one_instruction = _milliseconds(debuggee.step_back)
    debuggee.next_stage()
    to_writer = _milliseconds(lambda: debuggee.back(_FIELD))
    debuggee.back("prepare")
    return to_stage, one_instruction, to_writer, save


def _floor_there_and_back(floor: BackFloor) -> tuple[float, float]:
    """Measure the least for the same: one instruction back, and to the writer."""
    one_instruction = _milliseconds(floor.one_instruction)
    floor.to_kernel()
    return one_instruction, _milliseconds(floor.to_writer)


def _way_forward(kernel: Path, no_snapshots: str | None) -> float:
    """Return how long the guest takes from stage to stage. Snapshots are taken while the user looks at a stage."""
    with OwnMachine() as machine:
        debuggee = rewindable(machine, kernel, (), memory="512M", no_snapshots=no_snapshots)
        return sum(_look_and_go_on(debuggee) for _ in range(3))


def _look_and_go_on(debuggee: RewindableDebuggee) -> float:
    debuggee.keep_snapshot()
    return _milliseconds(debuggee.next_stage)


def _milliseconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    kernel = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else kernels.vmlinux("6.1")
    for name, value in measure(kernel, times)._asdict().items():
        print(f"{name:16} {value:7.2f}")


if __name__ == "__main__":
    main()
