"""Run all tests in several pytest processes, one more at once than this computer has cores.

    python -m tests.side_by_side [FOLDER]

Each process runs one part: the test files of a folder of tests/. Tests wait for QEMU, gdb or a terminal, so a process
often leaves a core idle. The output of a process is printed when it ends.

Another process may still fetch the test kernels: with FOLDER, a part that needs them starts when that process has
created the file FOLDER/fetched or FOLDER/built (`tests/kernels/state.py`). Until then, other parts start.

Tests that fail run a second time after all others, with nothing beside them: on a busy computer, a limit on time may be
too short for a test that is right. If many tests fail, they do not run again. The last lines of the output name every
test that failed, also those that passed the second time. The exit status is 1 if a test failed twice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
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
    *("tui", "cli/command", "cli", "image", "boot", "live", "checks", "fuzz", "views", "boot/test_real_kernels.py"),
    *("live/back", "soak", "beside the folders", "in_gdb", "mutants", "live/observe", "live/handover"),
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
SLOWEST_TESTS = ("--durations=10", "--durations-min=3")
"""So that the output shows which tests take longest."""
COMPILED_ONCE = {"PYTHONDONTWRITEBYTECODE": ""}
"""Even if the user's shell forbids it. Otherwise each process, and each that it starts, would compile the tests."""
_POLL = 0.2
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
    return sorted(found, key=lambda part: _rank(part.name))


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


class Queue:
    """The parts that have not started. `kernels_in` is the folder of the process that fetches the kernels, if any."""

    def __init__(self, waiting: Sequence[Part], kernels_in: Path | None) -> None:
        self._waiting = list(waiting)
        self._kernels_in = kernels_in
        self._lock = threading.Lock()

    def take(self) -> Part | None:
        """Remove and return the first part whose kernels are there. Wait for kernels if necessary. None at the end."""
        while True:
            with self._lock:
                ready = [part for part in self._waiting if state.are_there(part.kernels, self._kernels_in)]
                if ready:
                    self._waiting.remove(ready[0])
                if ready or not self._waiting:
                    return ready[0] if ready else None
            time.sleep(_POLL)


def run(part: Part, cache: Path, *options: str) -> Done:
    """Run the tests of a part. pytest stores the tests that fail in the folder `cache`."""
    started = time.monotonic()
    call = [sys.executable, "-m", "pytest", "-q", "--color=no", "-o", f"cache_dir={cache}", *SLOWEST_TESTS, *options]
    done = subprocess.run(
        [*call, *map(str, part.files)],
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **COMPILED_ONCE, state.MAY_USE: part.kernels},
    )
    return Done(part.name, done.stdout, done.returncode, _failed(cache), time.monotonic() - started)


def run_again(first: Done, part: Part, cache: Path) -> Done:
    """Run the tests that failed again. Return `first` unchanged if they are too many, or if pytest itself failed."""
    if not 0 < len(first.failed) <= MOST_AGAIN or first.status != 1:
        return first
    return run(part, cache, "--last-failed", "--last-failed-no-failures=none")


def main() -> int:
    queue = Queue(parts(), Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    count = (os.cpu_count() or 1) + 1
    with TemporaryDirectory() as folder, ThreadPoolExecutor(count) as pool:
        caches = [Path(folder, str(i)) for i in range(count)]
        done = [entry for entries in pool.map(lambda cache: run_all(queue, cache), caches) for entry in entries]
        failures = [entry for entry in done if entry[0].status]
        return report([(first, run_again(first, part, cache)) for first, part, cache in failures])


def run_all(queue: Queue, caches: Path) -> list[tuple[Done, Part, Path]]:
    """Run parts, one after the other, until none is left, and print the output of each. `caches` is a folder."""
    done: list[tuple[Done, Part, Path]] = []
    while (part := queue.take()) is not None:
        cache = caches / str(len(done))
        done.append((run(part, cache), part, cache))
        _print(done[-1][0])
    return done


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
