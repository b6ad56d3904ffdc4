"""A short run of every target. The name of each test has its seed: the same seed gives the same inputs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st

from tests.fuzz import runner
from tests.fuzz.runner import Finding, TookTooLong, check, run
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

SEED = int(os.environ.get("FUZZ_SEED", "1"))
COUNT = os.environ.get("FUZZ_COUNT")


@pytest.mark.parametrize("name", [pytest.param(name, id=f"{name}, seed {SEED}") for name in TARGETS])
def test_hostile_input_gives_a_result_or_a_one_line_error(name: str) -> None:
    count = int(COUNT or TARGETS[name].in_tests)
    report = run(TARGETS[name], SEED, count)

    assert [] == report.findings
    assert TARGETS[name].outcomes <= report.outcomes.keys()
    assert report.outcomes.total() >= count * 0.9


def _raise_for(values: set[int]) -> Target:
    def check_one(value: list[int]) -> str:
        if values <= set(value):
            raise KeyError(value)
        return "read"

    return Target("numbers", st.lists(st.integers(0, 9)), check_one, frozenset({"read"}))


def test_a_finding_is_reduced_to_a_minimal_input_saved_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "FOLDER", tmp_path)
    target = _raise_for({3, 7})
    (finding,) = run(target, 1, 1000).findings
    value = ast.literal_eval(finding.save().read_text("utf-8"))

    assert ({3, 7}, 2, finding.value) == (set(value), len(value), value)
    assert f"KeyError: {value}" == finding.error
    with pytest.raises(KeyError):
        check(target, value)


def test_the_same_seed_gives_the_same_inputs() -> None:
    def inputs(seed: int) -> list[list[int]]:
        seen: list[list[int]] = []

        def note(value: list[int]) -> str:
            seen.append(value)
            return "read"

        run(Target("seen", st.lists(st.integers()), note, frozenset()), seed, 50)
        return seen

    assert inputs(1) == inputs(1)
    assert inputs(1) != inputs(2)


def test_an_input_that_never_ends_is_a_finding() -> None:
    def loop(_: int) -> str:
        while True:
            pass

    (finding,) = run(Target("loop", st.just(1), loop, frozenset(), seconds=0.05), 1, 3).findings

    assert Finding("loop", 1, f"{TookTooLong.__name__}: more than 0.05 s of CPU time", finding.place) == finding


def test_the_command_prints_the_seed_and_the_counts_of_each_target() -> None:
    call = [sys.executable, "-m", "tests.fuzz", "--seed", "7", "--count", "20", "notes"]
    done = subprocess.run(call, check=True, capture_output=True, text=True)

    assert done.stdout.startswith("notes, seed 7: 20 inputs in ")
