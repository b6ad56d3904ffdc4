"""A test without an executed assertion fails."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.paths import ROOT

BODIES = {
    "assert": "assert True",
    "raises": "with pytest.raises(ValueError): int('x')",
    "skip": "pytest.skip('nothing here')",
    "empty_loop": "for it in (): assert it",
    "nothing": "pass",
}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what pytest prints about a test with each of the bodies."""
    folder = tmp_path_factory.mktemp("asserted")
    tests = (f"def test_{name}():\n    {body}\n" for name, body in BODIES.items())
    (folder / "test_bodies.py").write_text("import pytest\n" + "".join(tests))
    options = ("-p", "tests.asserted", "-o", "enable_assertion_pass_hook=true", "-rA", "-p", "no:cacheprovider")
    call = [sys.executable, "-m", "pytest", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(call, cwd=folder, env=environment, check=False, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", ["assert", "raises"])
def test_a_test_that_executes_an_assertion_passes(output: str, name: str) -> None:
    assert f"PASSED test_bodies.py::test_{name}\n" in output


@pytest.mark.parametrize("name", ["empty_loop", "nothing"])
def test_a_test_that_executes_no_assertion_fails(output: str, name: str) -> None:
    assert f"FAILED test_bodies.py::test_{name} - Failed: no assertion was executed" in output


def test_a_test_may_be_skipped_before_its_first_assertion(output: str) -> None:
    assert "1 skipped" in output
