"""Run all tests in several pytest processes, as many at once as this computer has cores.

    python -m tests.side_by_side

Each process runs one folder of tests/. Most tests wait for QEMU, gdb or a terminal, so one process leaves a core idle.
The output of a process is printed when it ends. The exit status is 1 if a test failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, NamedTuple

from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TESTS = ROOT / "tests"
SLOWEST_FIRST = ("tui", "cli", "boot", "in_gdb", "live", "checks", "image", "fuzz", "soak", "views")
"""The folders that take longest. A slow one that starts last would run alone."""


class Done(NamedTuple):
    """What a pytest process printed, its exit status, and how many seconds it took."""

    name: str
    output: str
    status: int
    seconds: float


def parts() -> list[list[Path]]:
    """Return the folders of tests/, and the test files beside them, in the order in which they start."""
    folders = sorted((path.parent for path in TESTS.glob("*/**/test_*.py")), key=_rank)
    tops = dict.fromkeys(TESTS / folder.relative_to(TESTS).parts[0] for folder in folders)
    return [*([folder] for folder in tops), sorted(TESTS.glob("test_*.py"))]


def _rank(folder: Path) -> tuple[int, str]:
    name = folder.relative_to(TESTS).parts[0]
    return (SLOWEST_FIRST.index(name) if name in SLOWEST_FIRST else len(SLOWEST_FIRST), name)


def run(paths: Sequence[Path]) -> Done:
    """Run the tests in these paths."""
    started = time.monotonic()
    call = [sys.executable, "-m", "pytest", "-q", "--color=no", *map(str, paths)]
    done = subprocess.run(call, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    name = paths[0].name if len(paths) == 1 else "beside the folders"
    return Done(name, done.stdout, done.returncode, time.monotonic() - started)


def main() -> int:
    status = 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for running in as_completed([pool.submit(run, paths) for paths in parts()]):
            done = running.result()
            print(f"\n-- {done.name}: {done.seconds:.0f} s, status {done.status}\n{done.output}", flush=True)
            status |= int(done.status != 0)
    return status


if __name__ == "__main__":
    sys.exit(main())
