"""A copy of the checkout, which may change meanwhile, and the tests that are run there."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.paths import ROOT

COPIED = ("pvhdbg", "tests", "gdb_scripts", "pyproject.toml", "README.md", "LICENSE", "Makefile", ".ci", ".github")
NOT_FAST = (
    *("benchmarks", "cli", "fuzz", "guest", "in_gdb", "kernels", "live", "manual", "mutants", "soak"),
    *(
        "boot/model/test_model.py",
        "boot/log/test_real_logs.py",
        "boot/test_kvm.py",
        "boot/test_real_kernels.py",
        "checks/test_tampered_boots.py",
    ),
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
TEST_SECONDS = 60
"""Even on a busy computer, only an endless loop takes longer."""
OPTIONS = (
    *("-q", "-s", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-r", "N", f"--timeout={TEST_SECONDS}"),
    *(f"--ignore=tests/{name}" for name in NOT_FAST),
    *(f"--deselect={test}" for test in NOISE),
)
"""pytest's options for the fast tests."""


def copy(folder: Path) -> None:
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)


def mirrors(path: str) -> list[str]:
    """Return the tests that mirror a file of the package: its own if there are any, and those of its folder."""
    tests = Path("tests", *Path(path).parts[1:])
    own = tests.with_name(f"test_{tests.name}")
    folder = next(it for it in tests.parents if any((ROOT / it).glob("test_*.py")))
    return [str(it) for it in (own, folder) if (ROOT / it).exists()]
