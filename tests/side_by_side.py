"""Run all tests in several pytest processes, one more at once than this computer has cores.

    python -m tests.side_by_side

Each process runs one folder of tests/. Tests wait for QEMU, gdb or a terminal, so a process often leaves a core idle.
The output of a process is printed when it ends.

Tests that fail run a second time after all others, with nothing beside them: on a busy computer, a limit on time may be
too short for a test that is right. If many tests fail, they do not run again. The last lines of the output name every
test that failed, also those that passed the second time. The exit status is 1 if a test failed twice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

TESTS = ROOT / "tests"
SLOWEST_FIRST = ("cli", "live", "tui", "boot", "in_gdb", "checks", "image", "views", "fuzz", "soak", "teaching")
"""The folders that take longest. A slow one that starts last would run alone."""
MOST_AGAIN = 5
"""With more failures than this, the cause is not a busy computer."""


class Done(NamedTuple):
    """What a pytest process printed, its exit status, the tests that failed, and how many seconds the process took."""

    name: str
    output: str
    status: int
    failed: tuple[str, ...]
    seconds: float


def parts() -> list[list[Path]]:
    """Return the folders of tests/, and the test files beside them, in the order in which they start."""
    folders = sorted((path.parent for path in TESTS.glob("*/**/test_*.py")), key=_rank)
    tops = dict.fromkeys(TESTS / folder.relative_to(TESTS).parts[0] for folder in folders)
    return [*([folder] for folder in tops), sorted(TESTS.glob("test_*.py"))]


def _rank(folder: Path) -> tuple[int, str]:
    name = folder.relative_to(TESTS).parts[0]
    return (SLOWEST_FIRST.index(name) if name in SLOWEST_FIRST else len(SLOWEST_FIRST), name)


def run(paths: Sequence[Path], cache: Path, *options: str) -> Done:
    """Run the tests in these paths. pytest stores the tests that fail in the folder `cache`."""
    started = time.monotonic()
    call = [sys.executable, "-m", "pytest", "-q", "--color=no", "-o", f"cache_dir={cache}", *options, *map(str, paths)]
    done = subprocess.run(call, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    name = paths[0].name if len(paths) == 1 else "beside the folders"
    return Done(name, done.stdout, done.returncode, _failed(cache), time.monotonic() - started)


def run_again(first: Done, paths: Sequence[Path], cache: Path) -> Done:
    """Run the tests that failed again. Return `first` unchanged if they are too many, or if pytest itself failed."""
    if not 0 < len(first.failed) <= MOST_AGAIN or first.status != 1:
        return first
    return run(paths, cache, "--last-failed", "--last-failed-no-failures=none")


def main() -> int:
    with TemporaryDirectory() as folder, ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
        caches = {pool.submit(run, paths, Path(folder, str(i))): (paths, i) for i, paths in enumerate(parts())}
        failures = []
        for running in as_completed(caches):
            paths, i = caches[running]
            _print(running.result())
            if running.result().status:
                failures.append((running.result(), paths, Path(folder, str(i))))
        return report([(first, run_again(first, paths, cache)) for first, paths, cache in failures])


def report(failures: Sequence[tuple[Done, Done]]) -> int:
    """Print the second output of each part that failed, then one line for each test that failed. Return the status."""
    for first, second in failures:
        if second is not first:
            _print(second)
    for first, second in failures:
        for test in first.failed:
            verdict = "FAILED" if second.status and test in second.failed else "failed once, passed alone"
            print(f"{verdict}: {test}")
        if second.status and not first.failed:
            print(f"FAILED: {first.name}: pytest ended with status {second.status}")
    return int(any(second.status for _, second in failures))


def _failed(cache: Path) -> tuple[str, ...]:
    path = cache / "v" / "cache" / "lastfailed"
    return tuple(json.loads(path.read_text())) if path.exists() else ()


def _print(done: Done) -> None:
    print(f"\n-- {done.name}: {done.seconds:.0f} s, status {done.status}\n{done.output}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
