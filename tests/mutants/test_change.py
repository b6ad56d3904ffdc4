"""Loaded functions and imported modules change."""

from pathlib import Path

import pytest

from pvhdbg.abi import c_integer
from tests.mutants import process
from tests.mutants.change import change_functions
from tests.mutants.fork import in_fork
from tests.mutants.operators import Mutant, mutants
from tests.mutants.process import first_failure_in_process
from tests.paths import ROOT

PATH = "pvhdbg/abi/c_integer.py"
TEST = "tests/abi/test_c_integer.py::test_other_text_is_not_a_constant"
VALUES = "tests/abi/test_c_integer.py::test_a_constant_has_the_value_that_c_gives_it"


def mutant_of(path: str, after: str) -> Mutant:
    return next(mutant for mutant in mutants(ROOT, path) if mutant.after == after)


def test_a_loaded_function_changes_but_only_in_its_process() -> None:
    mutant = mutant_of(PATH, "if match is not None:")

    def parsed() -> int | None:
        change_functions(mutant)
        return c_integer.parse("42") or -1

    assert in_fork(parsed, 60) == -1
    assert c_integer.parse("42") == 42


def test_a_change_outside_functions_does_not_change_what_is_loaded() -> None:
    assert not change_functions(mutant_of(PATH, "_BASES = (16, 2, 8, 11)"))


@pytest.mark.parametrize(
    ("after", "tests", "expected"),
    [
        ("_BASES = (16, 2, 8, 11)", [f"{TEST}[x]", f"{VALUES}[42-42]", f"{VALUES}[0-0]"], f"{VALUES}[42-42]"),
        ("_BASES = (16, 2, 8, 11)", [f"{VALUES}[0-0]"], ""),
        ("_BASES = (16, 2, 8, 11)", [], ""),
    ],
)
def test_a_module_changes_in_a_process_that_runs_only_the_named_tests(
    after: str, tests: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "FOLDER", tmp_path)

    assert expected == first_failure_in_process(mutant_of(PATH, after), tests)
