"""Measure what pvhdbg promises about its speed, and print a table.

    python -m tests.benchmarks [N] [VMLINUX]

Each command runs N times (15) in turn with its yardstick, as whole processes; the table has the medians of the ratios.
VMLINUX defaults to Debian's Linux 6.1. The exit status is 1 if a goal is missed.
"""

from __future__ import annotations

import compileall
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests import kernels
from tests.benchmarks import first_frame, going_back, growth, pvh_in_gdb, tui_redraw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Timed = Callable[[], float]

HERE = Path(__file__).parent
PVHDBG = (sys.executable, "-m", "pvhdbg")
MOST_GROWTH = 1.5
"""The growth of the time, divided by the growth of the input. Sorting is slower than linear, and measuring is noisy."""
MEMORY = """
import sys
from pvhdbg.cli import main
main(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
"""
"""It does not use getrusage: what that returns includes the memory of the process that started this one."""


class Row(NamedTuple):
    """A value that was measured, and the largest (or, with `at_least`, the smallest) that is promised, if any."""

    name: str
    value: float
    goal: float | None
    unit: str = ""
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        return self.goal is None or (self.value >= self.goal if self.at_least else self.value <= self.goal)

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        goal = "" if self.goal is None else f"{sign} {self.goal:g}{self.unit}"
        return f"| {self.name:<58} | {self.value:8.2f}{self.unit:<4} | {goal:>10} | {'' if self.is_met else 'MISSED'} |"


def process(*words: str | Path) -> Timed:
    """Return a function that runs a command and returns the seconds that it took."""

    def run() -> float:
        start = time.perf_counter()
        done = subprocess.run(words, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        took = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(f"{words}: {done.stderr.decode(errors='replace')}")
        return took

    return run


def ratio(command: Timed, yardstick: Timed, times: int) -> float:
    """Return the median of the ratios of runs in turn. The first pair, which warms up, is not counted."""
    pairs = [(command(), yardstick()) for _ in range(times + 1)]
    return statistics.median(first / second for first, second in pairs[1:])


def rows(times: int, vmlinux: Path) -> Iterator[Row]:
    floor = process(sys.executable, HERE / "floor.py", vmlinux)
    dump = process(*PVHDBG, "dump", vmlinux, "--stage", "bootparams", "--format", "json")
    nothing = process(sys.executable, "-c", "pass")
    yield Row("`dump --stage bootparams --format json` / floor", ratio(dump, floor, times), 1.3)
    stock = process(sys.executable, "-m", "tests.benchmarks.stock_gdb", vmlinux)
    yield Row("stock gdb / the same dump", ratio(stock, dump, times), 11, at_least=True)
    frame = ratio(lambda: first_frame.first_frame(vmlinux), floor, times)
    yield Row("the screen's first decoded frame / floor", frame, 1.4)
    check = process(*PVHDBG, "check", vmlinux, "--watch", "0")
    yield Row("`check --watch 0` / floor", ratio(check, floor, times), 2.0)
    later = process(sys.executable, HERE / "floor.py", vmlinux, "e820")
    yield Row("the floor to stage e820 / floor", ratio(later, floor, times), None)
    yield Row("`check --watch 0` / the floor to stage e820", ratio(check, later, times), None)
    yield Row("`--version` / python -c pass", ratio(process(*PVHDBG, "--version"), nothing, times), 3)
    yield Row("`explain magic` / python -c pass", ratio(process(*PVHDBG, "explain", "magic"), nothing, times), 3)
    keys = [milliseconds for took in tui_redraw.measure().values() for milliseconds in took]
    yield Row("key to frame at 120x40, median", statistics.median(keys), 4, " ms")
    yield Row("key to frame at 120x40, slowest", max(keys), 12, " ms")
    yield from _rows_in_gdb(vmlinux)
    yield from _back_rows(vmlinux, times)
    yield Row("peak memory of a dump beside QEMU", _peak_memory(vmlinux), 45, " MiB")
    yield from (Row(name, value, MOST_GROWTH) for name, value in growth.measure())


def _rows_in_gdb(vmlinux: Path) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        first, *others = pvh_in_gdb.measure(vmlinux, Path(folder))["pvh info"]
    yield Row("`pvh info` in gdb, first", first, 33, " ms")
    yield Row("`pvh info` in gdb, median", statistics.median(others), 2.6, " ms")


def _back_rows(vmlinux: Path, times: int) -> Iterator[Row]:
    back = going_back.measure(vmlinux, times)
    yield Row("back to a stage, 512 MiB", back.to_stage, 150, " ms")
    yield Row("back by one instruction", back.one_instruction, 150, " ms")
    yield Row("back to the writer of a field", back.to_writer, 300, " ms")
    yield Row("back by one instruction / the least for it", back.one_instruction_ratio, None)
    yield Row("back to the writer / the least for it", back.to_writer_ratio, None)
    yield Row("a key that comes while a snapshot is taken waits", back.save, 100, " ms")
    yield Row("from stage to stage with snapshots / without", back.forward, 1.05)


def _peak_memory(vmlinux: Path) -> float:
    call = [sys.executable, "-c", MEMORY, "dump", str(vmlinux), "--format", "json"]
    done = subprocess.run(call, check=True, capture_output=True, text=True)
    return int(done.stderr.split()[-2]) / 1024


def main() -> int:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    vmlinux = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else kernels.vmlinux("6.1")
    print(f"{times} runs in turn, load average before: {os.getloadavg()[0]:.2f}, {vmlinux.stat().st_size >> 20} MiB")
    print(f"| {'':<58} | {'median':<12} | {'goal':>10} | |\n|---|---|---|---|")
    met = True
    compileall.compile_dir(HERE.parents[1] / "pvhdbg", quiet=1)  # an installed package is compiled, too
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(TERM="xterm-256color", XDG_STATE_HOME=folder)
        for row in rows(times, vmlinux):
            print(row, flush=True)
            met = met and row.is_met
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
