"""Change the package in random places and see whether the tests notice.

    python -m tests.mutants.run SEED N [PATH…]

makes N mutants of the files under PATH (by default PURE), with the seeds SEED to SEED + N - 1. A seed always makes the
same mutant of the same source. Mutants that are listed in accepted.txt are not run. The exit status is 1 if fewer than
95 % of the others are caught.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.mutants.checkout import OPTIONS, copy
from tests.mutants.collected import Calls, Failures, Record
from tests.mutants.fork import FORK, in_fork
from tests.mutants.judge import CAUGHT, TIMED_OUT, Judge
from tests.mutants.operators import Mutant, all_mutants
from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PURE = (
    *("pvhdbg/abi", "pvhdbg/boot", "pvhdbg/checks", "pvhdbg/commands", "pvhdbg/image", "pvhdbg/views"),
    *("pvhdbg/target/block_cache.py", "pvhdbg/target/monitor.py", "pvhdbg/target/recording.py"),
)
"""What needs neither QEMU nor gdb."""
WORKERS = int(os.environ.get("WORKERS", os.cpu_count() or 1))
HOUR = 3600.0
ENOUGH = 0.95
ACCEPTED = Path(__file__).parent / "accepted.txt"
KNOWN = "accepted"
IN_COPY = "PVHDBG_MUTANTS_COPY"
"""The environment variable that tells the second run that it is in the copy."""


class Result(NamedTuple):
    """What became of a mutant, and the test that caught it or the reason why it is accepted."""

    seed: int
    mutant: Mutant
    verdict: str
    by: str = ""

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.verdict}{self.by and ': '}{self.by}\n    {self.mutant}"


def accepted() -> dict[tuple[str, str, str], str]:
    """Return the reasons of accepted.txt by path, line before and line after."""
    blocks = (block.strip().splitlines() for block in ACCEPTED.read_text("utf-8").split("\n\n"))
    entries = (block for block in blocks if block and not block[0].startswith("#"))
    return {(path, before, after): " ".join(reason) for path, before, after, *reason in entries}


class Session:
    """A pytest plug-in that judges mutants with the collected tests instead of running them."""

    current: Session  # what the workers inherit: they are forks
    judge: Judge

    def __init__(self, first: int, count: int, folders: Sequence[str]) -> None:
        self.seeds, self.calls, self.failures = range(first, first + count), Calls(), Failures()
        self.mutants, self.accepted = all_mutants(ROOT, folders), accepted()
        self.status = 1

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.calls.__exit__(None, None, None)
        record = in_fork(lambda: Record.of(session.items, self.failures), HOUR)
        if record is None:
            raise pytest.UsageError("the unchanged tests did not end")
        for test in record.failed:
            print(f"fails without a change, and is left out: {test}", flush=True)
        self.judge = Judge(session.items, self.failures, record, self.calls.functions)
        self._report(list(self._results()))
        return True

    def _results(self) -> Iterator[Result]:
        Session.current = self
        with ProcessPoolExecutor(WORKERS, FORK) as workers:
            for done in as_completed([workers.submit(_judged, seed) for seed in self.seeds]):
                print(done.result(), flush=True)
                yield done.result()

    def judged(self, seed: int) -> Result:
        mutant = random.Random(seed).choice(self.mutants)
        if mutant.key in self.accepted:
            return Result(seed, mutant, KNOWN, self.accepted[mutant.key])
        return Result(seed, mutant, *self.judge.judge(mutant))

    def _report(self, results: Sequence[Result]) -> None:
        verdicts = Counter(result.verdict for result in results)
        caught, judged = verdicts[CAUGHT] + verdicts[TIMED_OUT], len(results) - verdicts[KNOWN]
        print(", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()))
        print(f"caught {caught} of {judged} mutants that are not accepted as equivalent")
        self.status = int(caught < ENOUGH * judged)


def _judged(seed: int) -> Result:
    return Session.current.judged(seed)


def judge_here(first: int, count: int, folders: Sequence[str], tests: Sequence[str], temporary: Path) -> int:
    """Judge mutants with these tests, in this process and its forks, and return the exit status."""
    session = Session(first, count, folders)
    with session.calls:
        pytest.main([*OPTIONS, f"--basetemp={temporary}", *tests], plugins=[session.failures, session])
    return session.status


def main(first: str, count: str, *folders: str) -> int:
    if IN_COPY in os.environ:
        return judge_here(int(first), int(count), folders or PURE, ["tests"], ROOT / "tmp")
    with tempfile.TemporaryDirectory(prefix="pvhdbg-mutants-") as name:
        copy(Path(name))
        variables = {**os.environ, "PYTHONPATH": name, IN_COPY: name}
        command = [sys.executable, "-m", "tests.mutants.run", first, count, *folders]
        return subprocess.run(command, cwd=name, env=variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
