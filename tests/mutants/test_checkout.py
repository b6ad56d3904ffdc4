"""A mutant is made in a copy of the checkout, and caught there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.mutants.checkout import CAUGHT, Checkout, applied, mirrors
from tests.mutants.operators import Mutant, mutants
from tests.mutants.recorder import Record
from tests.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PATH = "pvhdbg/abi/c_integer.py"


@pytest.fixture
def mutant() -> Mutant:
    return next(mutant for mutant in mutants(ROOT, PATH) if mutant.kind == "comparison")


def test_a_mutant_is_caught_by_the_tests_that_call_the_function(mutant: Mutant, tmp_path: Path) -> None:
    record, test = tmp_path / "record.json", "tests/abi/test_c_integer.py::test_other_text_is_not_a_constant[x]"
    Record({}, {f"{PATH}:{mutant.function}": [test]}).write(record)
    checkout = Checkout(tmp_path / "copy", record)

    assert (CAUGHT, test) == checkout.judge(mutant)
    assert mutant.source == (ROOT / PATH).read_bytes() == (checkout.folder / PATH).read_bytes()


def test_a_mutant_is_taken_back_even_after_an_error(mutant: Mutant, tmp_path: Path) -> None:
    path = tmp_path / PATH
    path.parent.mkdir(parents=True)
    path.write_bytes(mutant.source)

    with suppress(KeyboardInterrupt), applied(mutant, tmp_path):
        assert mutant.mutated == path.read_bytes()
        raise KeyboardInterrupt
    assert mutant.source == path.read_bytes()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("pvhdbg/abi/c_integer.py", ["tests/abi/test_c_integer.py", "tests/abi"]),
        ("pvhdbg/abi/e820.py", ["tests/abi"]),
        ("pvhdbg/checks/handover/memmap.py", ["tests/checks"]),
    ],
)
def test_the_tests_of_a_module_are_its_own_and_those_of_its_folder(path: str, expected: list[str]) -> None:
    assert expected == mirrors(ROOT, path)
