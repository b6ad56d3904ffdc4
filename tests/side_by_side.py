"""Run all tests in several pytest processes, one more at once than this computer has cores.

    python -m tests.side_by_side [FOLDER]

Each process runs one part: the test files of a folder of tests/. Tests wait for QEMU, gdb or a terminal, so a process
often leaves a core idle. The output of a process is printed when it ends.

Another process may still fetch the test kernels: with FOLDER, a part that needs them starts when that process has
created the file FOLDER/fetched or FOLDER/built (`tests/kernels/state.py`). The parts that need none start first.

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

from tests.kernels import state
from tests.kernels.state import BUILT, FETCHED, NONE
from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

TESTS = ROOT / "tests"
SPLIT = ("boot/test_real_kernels.py", "cli/command", "live/back", "live/handover", "live/observe")
"""What takes so long that it is a part of its own, beside the rest of its folder."""
SLOWEST_FIRST = (
    *("in_gdb", "views", "fuzz", "teaching"),
    *("cli/command", "boot", "boot/test_real_kernels.py", "image", "tui", "live", "live/back", "live/observe", "cli"),
    *("checks", "live/handover", "soak"),
)
"""The parts that take longest, in the order in which they start. A slow one that starts last would run alone."""
NEEDS = {
    "fuzz": NONE,
    "in_gdb": NONE,
    "in_gdb/test_commands.py": FETCHED,
    "target": NONE,
    "teaching": NONE,
    "views": NONE,
    "views/report/test_inspect_text.py": FETCHED,
    "vmm_profiles": NONE,
    "boot/model/test_kernel_behavior.py": BUILT,
    "boot/model/test_model.py": BUILT,
    "checks/test_tampered_boots.py": BUILT,
    "kernels/test_rfc.py": BUILT,
    "live/handover/test_linux.py": BUILT,
    "live/observe/test_who_run.py": BUILT,
}
"""The kernels that these folders and files need. All others may need Debian's kernels, but not the RFC kernel."""
MOST_AGAIN = 5
"""With more failures than this, the cause is not a busy computer."""


class Part(NamedTuple):
    """Test files that one process runs, and the kernels that they may use."""

    name: str
    kernels: str
    files: tuple[Path, ...]


class Done(NamedTuple):
    """What a pytest process printed, its exit status, the tests that failed, and how many seconds the process took."""

    name: str
    output: str
    status: int
    failed: tuple[str, ...]
    seconds: float


def parts() -> list[Part]:
    """Return all test files, in parts, in the order in which they start."""
    files: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        files.setdefault((part_name(path), need(path)), []).append(path)
    found = (Part(name, kernels, tuple(paths)) for (name, kernels), paths in files.items())
    return sorted(found, key=lambda part: (state.ORDER.index(part.kernels), *_rank(part.name)))


def part_name(path: Path) -> str:
    """Return the path in SPLIT that has this test file, or else its folder of tests/."""
    relative = path.relative_to(TESTS)
    names = [str(folder) for folder in (relative, *relative.parents) if str(folder) in SPLIT]
    return (names or [relative.parts[0] if len(relative.parts) > 1 else "beside the folders"])[0]


def need(path: Path) -> str:
    """Return which kernels a test file needs, as the longest path in NEEDS says."""
    relative = path.relative_to(TESTS)
    found = (NEEDS.get(str(folder)) for folder in (relative, *relative.parents))
    return next((kernels for kernels in found if kernels is not None), FETCHED)


def _rank(name: str) -> tuple[int, str]:
    return (SLOWEST_FIRST.index(name) if name in SLOWEST_FIRST else len(SLOWEST_FIRST), name)


def run(part: Part, cache: Path, *options: str, kernels_in: Path | None = None) -> Done:
    """Run the tests of a part, when its kernels are there. pytest stores the tests that fail in the folder `cache`."""
    state.wait(part.kernels, kernels_in)
    started = time.monotonic()
    call = [sys.executable, "-m", "pytest", "-q", "--color=no", "-o", f"cache_dir={cache}", *options]
    done = subprocess.run(
        [*call, *map(str, part.files)],
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, state.MAY_USE: part.kernels},
    )
    return Done(part.name, done.stdout, done.returncode, _failed(cache), time.monotonic() - started)


def run_again(first: Done, part: Part, cache: Path) -> Done:
    """Run the tests that failed again. Return `first` unchanged if they are too many, or if pytest itself failed."""
    if not 0 < len(first.failed) <= MOST_AGAIN or first.status != 1:
        return first
    return run(part, cache, "--last-failed", "--last-failed-no-failures=none")


def main() -> int:
    kernels_in = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with TemporaryDirectory() as folder, ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
        caches = {
            pool.submit(run, part, Path(folder, str(i)), kernels_in=kernels_in): (part, Path(folder, str(i)))
            for i, part in enumerate(parts())
        }
        failures = []
        for running in as_completed(caches):
            _print(running.result())
            if running.result().status:
                failures.append((running.result(), *caches[running]))
        return report([(first, run_again(first, part, cache)) for first, part, cache in failures])


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
