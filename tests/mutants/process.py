"""Run tests in a process that imports a changed module: the answer is the first test that fails.

A change outside functions takes effect when the module is imported, and with it everything that was made of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mutants.change import change_module
from tests.mutants.checkout import OPTIONS
from tests.mutants.collected import Failures
from tests.mutants.operators import Mutant
from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = ROOT
"""Where files are made: in the copy, which is removed even if a process was killed."""


class _Selected:
    """A pytest plug-in that runs only the listed tests, in the order of the list."""

    def __init__(self, tests: Sequence[str]) -> None:
        # Not arguments, because an identifier can have control characters, which the command line does not accept.
        self.places = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((it for it in items if it.nodeid in self.places), key=lambda it: self.places[it.nodeid])


def first_failure_in_process(mutant: Mutant, tests: Sequence[str]) -> str:
    """Return the first of these tests that fails, or an empty text. Raises CalledProcessError if there is no answer."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        question, answer = Path(folder, "question"), Path(folder, "answer")
        values = (mutant.path, mutant.source.decode(), *mutant[2:])
        question.write_text(json.dumps([values, tests]), "utf-8")
        subprocess.run([sys.executable, "-m", __spec__.name, question, answer], check=True, stdin=subprocess.DEVNULL)
        return answer.read_text("utf-8")


def _main(question: Path, answer: Path) -> None:
    (path, source, *change), tests = json.loads(question.read_text("utf-8"))
    change_module(Mutant(path, source.encode(), *change))
    failures = Failures()
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    # Without files, pytest would collect all tests of this folder.
    arguments = [*OPTIONS, "-x", *files]
    status = pytest.main(arguments, plugins=[failures, _Selected(tests)]) if files else pytest.ExitCode.OK
    if failures.found or status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        answer.write_text("".join(failures.found[:1]), "utf-8")
    else:
        sys.exit(status)


if __name__ == "__main__":
    _main(*map(Path, sys.argv[1:]))
