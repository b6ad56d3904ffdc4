"""Whether a mutant counts as caught."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mutants.checkout import mirrors
from tests.mutants.judge import CAUGHT, SURVIVED, TIMED_OUT, UNJUDGED, verdict
from tests.paths import ROOT


def ends(failed: str = "") -> Callable[..., str]:
    return lambda *_: failed


def crashes(*_: object) -> str:
    os._exit(1)


@pytest.mark.parametrize(
    ("changed", "unchanged", "alone", "expected"),
    [
        (ends(), ends(), ends(), (SURVIVED, "")),
        (ends("test"), ends(), ends(), (CAUGHT, "test")),
        # The unchanged tests show the same.
        (ends("test"), ends(), ends("test"), (UNJUDGED, "test")),
        (ends("test"), ends(), crashes, (UNJUDGED, "test")),
        (crashes, crashes, ends(), (UNJUDGED, "")),
        # The unchanged tests may have failures, but they end.
        (crashes, ends("test"), ends(), (TIMED_OUT, "")),
    ],
)
def test_only_what_the_unchanged_tests_do_not_do_counts(
    changed: Callable[[], str], unchanged: Callable[[], str], alone: Callable[[str], str], expected: tuple[str, str]
) -> None:
    assert expected == verdict(changed, unchanged, alone, 60)


def test_mutants_in_functions_and_outside_are_judged_by_the_tests_of_their_module(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from tests.mutants import operators, process, run
process.FOLDER = Path(sys.argv[1])
run.all_mutants = lambda *_: [
    mutant for mutant in operators.mutants(run.ROOT, "pvhdbg/abi/c_integer.py")
    if mutant.after in ("if match is not None:", "_BASES = (16, 2, 8, 11)")
]
run.judge_here(1, 6, [], ["tests/abi/test_c_integer.py"], process.FOLDER / "tests")
"""
    output = subprocess.run(
        [sys.executable, "-c", script, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True
    ).stdout

    for after in ("if match is not None:", "_BASES = (16, 2, 8, 11)"):
        assert f"->  {after}" in output
    assert "\n6 caught\ncaught 6 of 6 mutants that are not accepted as equivalent\n" in output


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("pvhdbg/abi/c_integer.py", ["tests/abi/test_c_integer.py", "tests/abi"]),
        ("pvhdbg/abi/e820.py", ["tests/abi"]),
        ("pvhdbg/checks/handover/memmap.py", ["tests/checks"]),
    ],
)
def test_the_tests_of_a_module_are_its_own_and_those_of_its_folder(path: str, expected: list[str]) -> None:
    assert expected == mirrors(path)
