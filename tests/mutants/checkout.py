"""A copy of the checkout in which one mutant after the other is made and tested. The checkout itself stays as it is."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.mutants import recorder
from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.mutants.operators import Mutant

COPIED = ("pvhdbg", "tests", "gdb_scripts", "pyproject.toml", "README.md", "LICENSE", "Makefile", ".ci", ".github")
NOT_FAST = (
    *("benchmarks", "cli", "fuzz", "guest", "in_gdb", "kernels", "live", "manual", "mutants", "soak"),
    *("boot/model/test_model.py", "boot/test_kvm.py", "boot/test_real_kernels.py", "checks/test_tampered_boots.py"),
    *("tui/test_hostile.py", "tui/test_live.py", "tui/test_live_ends.py", "tui/test_live_hostile.py"),
    *("tui/test_signals.py", "image/test_bounds.py"),
    # These read the sources: what they notice is not behavior.
    *("test_house.py", "test_words.py", "test_wheel.py"),
)
"""Tests that are slow, most of them because they boot machines, or that are not about what the package does."""
NOISE = (
    "tests/boot/record/test_replay.py::test_the_largest_possible",
    "tests/checks/test_run.py::test_memory_full_of_one_byte",
    "tests/checks/test_run.py::test_random_memory",
    "tests/test_commands.py::test_answers_about_random_memory",
    "tests/views/report/test_run_text.py::test_memory_full_of_one_byte",
    "tests/views/report/test_run_text.py::test_random_memory",
)
"""Tests with random or very large input, which take most of the time of the others and notice little but crashes."""
PYTEST = (
    *("-m", "pytest", "-q", "-r", "fE", "--no-header", "--tb=no", "-p", "no:cacheprovider"),
    *("-p", "tests.mutants.recorder", "--continue-on-collection-errors"),
)
PASSED, NONE_COLLECTED = 0, 5
"""pytest's exit statuses."""
TIMEOUT = 3600.0
"""Seconds for all tests of one mutant: even on a busy computer, only an endless loop takes longer."""

CAUGHT, SURVIVED, TIMED_OUT = "caught", "SURVIVED", "timed out"


class Checkout:
    """A copy of the checkout. `broken` are tests that fail without any change: they are left out."""

    def __init__(self, folder: Path, record: Path, broken: Sequence[str] = ()) -> None:
        self.folder, self.record, self.broken = folder, record, broken
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / name, folder / name)

    def judge(self, mutant: Mutant) -> tuple[str, str]:
        """Return whether the tests notice the mutant, and the test that does.

        First those tests run that call the changed function, or that mirror the module if the change is in none; then
        all fast tests. A mutant with which they do not end is caught.
        """
        nearest, listed = self._nearest(mutant)
        with applied(mutant, self.folder):
            for paths, variable in ((nearest, recorder.ONLY), (["tests"], recorder.WITHOUT)):
                failed = self.failures(paths, "-x", **({variable: str(listed)} if listed else {}))
                if failed is None:
                    return TIMED_OUT, ""
                if failed:
                    return CAUGHT, failed[0].partition("\n")[0]
        return SURVIVED, ""

    def _nearest(self, mutant: Mutant) -> tuple[list[str], Path | None]:
        """Return the paths of the nearest tests, and a list of the tests there if not all of them are near."""
        callers = recorder.Record.read(self.record).callers.get(f"{mutant.path}:{mutant.function}")
        if callers is None:
            return mirrors(self.folder, mutant.path), None
        path = self.folder / "callers.json"
        path.write_text(json.dumps(callers), "utf-8")
        return sorted({test.partition("::")[0] for test in callers}), path

    def failures(self, paths: Sequence[str], *options: str, **variables: str) -> list[str] | None:
        """Return the fast tests under these paths that fail, or None if they do not end."""
        omitted = [f"--ignore=tests/{name}" for name in NOT_FAST]
        omitted += [f"--{'deselect' if '::' in test else 'ignore'}={test}" for test in (*NOISE, *self.broken)]
        log = self.folder / "pytest.log"  # not a pipe, which a program that a test left behind could hold open
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, *PYTEST, *options, *omitted, *paths],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(self.folder), recorder.FILE: str(self.record), **variables},
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end_group(process)
        output = log.read_text("utf-8", "replace")
        failed = re.findall(r"^(?:FAILED|ERROR) (.*?)(?: - .*)?$", output, re.MULTILINE)
        return failed or ([] if process.returncode in (PASSED, NONE_COLLECTED) else [f"pytest itself: {output}"])


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End pytest, and what its tests left behind in its group. The group exists as long as anything is in it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def applied(mutant: Mutant, copy: Path) -> Iterator[None]:
    """Change the file in the copy, and change it back.

    Its compiled code is removed, because that of another source with the same size and second would look valid.
    """
    path = copy / mutant.path
    compiled = Path(importlib.util.cache_from_source(str(path)))
    path.write_bytes(mutant.mutated)
    compiled.unlink(missing_ok=True)
    try:
        yield
    finally:
        path.write_bytes(mutant.source)
        compiled.unlink(missing_ok=True)


def mirrors(root: Path, path: str) -> list[str]:
    """Return the tests that mirror a file of the package: its own if there are any, and those of its folder."""
    tests = Path("tests", *Path(path).parts[1:])
    own = tests.with_name(f"test_{tests.name}")
    folder = next(it for it in tests.parents if any((root / it).glob("test_*.py")))
    return [str(it) for it in (own, folder) if (root / it).exists()]
