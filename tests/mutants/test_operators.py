"""Which mutants are made of a piece of source."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.mutants.operators import all_mutants, mutants
from tests.mutants.run import PURE, accepted
from tests.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def changed(folder: Path, source: str) -> list[str]:
    """Return the changed lines of all mutants of a source."""
    (folder / "source.py").write_text(source, "utf-8")
    return [mutant.after for mutant in mutants(folder, "source.py")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a == b", ["a != b"]),
        ("a <= (  # why\n b)", []),
        ("a < b", ["a <= b", "a >= b"]),
        ("a < b >= c", ["a <= b >= c", "a >= b >= c", "a < b > c", "a < b < c"]),
        ("a is not None", ["a is None"]),
        ("a not in b", ["a in b"]),
        ("a in b", ["a not in b"]),
        ("a and b and c", ["a or b and c", "a and b or c"]),
        ("not (a)", ["(a)"]),
        ("a + b * c", ["a - b * c", "a + b // c"]),
        ("a << b | c", ["a >> b | c", "a << b & c"]),
        ("x = 0x10", ["x = 0x11", "x = 0xf"]),
        ("x = 0", ["x = 1"]),
        ("x = True", ["x = False"]),
        ("max(a)", ["min(a)"]),
        ("x = ERROR", ['x = "warning"', 'x = "info"']),
        ("x = FATAL", ['x = "warning"']),
        ("x = WARNING", ['x = "fatal"']),
        ("a if b else c", ["a if (not (b)) else c"]),
        ("[a for a in b if c(a)]", ["[a for a in b if (not (c(a)))]"]),
        ('"words", f"{a + 1}"', []),
        ("x: Literal[1] = 5", ["x: Literal[1] = 6", "x: Literal[1] = 4"]),
        ("zip(a, b, strict=True)", []),
        ("import a", []),
        ("if TYPE_CHECKING:\n    x = 1", []),
    ],
)
def test_expressions(source: str, expected: list[str], tmp_path: Path) -> None:
    after = [line for line in changed(tmp_path, source) if line != "pass"]

    assert sorted(expected) == sorted(after)


def test_statements_are_removed_but_not_docstrings_and_assignments_to_names(tmp_path: Path) -> None:
    source = 'def f(x):\n    """Doc."""\n    y = x\n    x.a = y\n    call(x)\n    return y\n'

    assert ["pass", "pass", "return"] == changed(tmp_path, source)


@pytest.mark.parametrize(("source", "expected"), [("return", "pass"), ("return None", "pass"), ("return x", "return")])
def test_a_return_of_a_value_returns_none_and_any_other_is_removed(source: str, expected: str, tmp_path: Path) -> None:
    assert [expected] == changed(tmp_path, f"def f(x):\n    {source}\n")


def test_an_if_is_negated_and_removed_with_its_body(tmp_path: Path) -> None:
    source = "def f(x):\n    if x:\n        raise x\n"

    assert ["pass", "if (not (x)):", "pass"] == changed(tmp_path, source)


def test_a_mutant_knows_the_innermost_function_by_the_line_of_its_code(tmp_path: Path) -> None:
    source = "A = 1\n\n\n@decorate(1)\ndef f():\n    x = 1\n    def g():\n        return 2\n"
    (tmp_path / "source.py").write_text(source)
    lines = {mutant.line: mutant.function for mutant in mutants(tmp_path, "source.py")}

    assert {1: 0, 4: 0, 6: 4, 8: 7} == lines


def test_mutants_of_the_package_compile_and_differ_from_the_source() -> None:
    found = all_mutants(ROOT, PURE)

    assert len(found) > 5000
    for mutant in random.Random(1).sample(found, 200):
        compile(mutant.mutated, mutant.path, "exec")
        assert mutant.mutated != mutant.source, mutant


def test_every_accepted_mutant_still_exists_and_has_a_reason() -> None:
    reasons = accepted()
    paths = sorted({path for path, _, _ in reasons})
    existing = {mutant.key for mutant in all_mutants(ROOT, paths)}

    assert [] == sorted(reasons.keys() - existing)
    assert all(reasons.values())
