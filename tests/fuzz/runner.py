"""Run a target on many inputs, and reduce an input that fails to a minimal one."""

from __future__ import annotations

import hashlib
import signal
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.database import InMemoryExampleDatabase

from tests.fuzz.target import Target
from tests.kernels import cache
from tests.paths import ROOT

FOLDER = cache().parent / "fuzz"
"""Where findings are saved, each as a Python literal."""

BATCH = 1000
"""A long run is many short ones, each with a seed of its own. One that has a finding ends."""
LONGEST_INPUT = 4096
"""The number of random bytes that an input is made from."""
MOST_FINDINGS = 10
_SETTINGS = settings(
    deadline=None,
    phases=[Phase.reuse, Phase.shrink],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)

set_hypothesis_home_dir(FOLDER / "hypothesis")


class TookTooLong(Exception):
    """An input took more CPU time than its target allows."""


class Finding(NamedTuple):
    """An input on which a target failed, made as small as possible; the exception, and where it was raised."""

    target: str
    value: Any
    error: str
    place: str

    def save(self) -> Path:
        text = f"{self.value!r}\n"
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{self.target}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        path.write_text(text, "utf-8")
        return path


class Report(NamedTuple):
    """How a run went: how often each outcome happened, the findings, and its seconds."""

    outcomes: Counter[str]
    findings: list[Finding]
    seconds: float


def run(target: Target, run_seed: int, count: int) -> Report:
    """Check `count` inputs. The same seed gives the same inputs, with the same version of Hypothesis."""
    began = time.monotonic()
    outcomes: Counter[str] = Counter()
    findings: dict[str, Finding] = {}
    for number, start in enumerate(range(0, count, BATCH)):
        finding = _run_batch(target, f"{run_seed} {number}", min(BATCH, count - start), outcomes)
        if finding is not None:
            findings.setdefault(finding.place, finding)
        if len(findings) >= MOST_FINDINGS:
            break
    return Report(outcomes, [*findings.values()], time.monotonic() - began)


def check(target: Target, value: Any) -> str:  # noqa: ANN401 - each target has its own type
    """Check one input and return its outcome. Whatever is wrong is raised."""
    with _limited(target.seconds):
        return target.check(value)


def _run_batch(target: Target, batch_seed: str, count: int, outcomes: Counter[str]) -> Finding | None:
    """Make inputs from random bytes, which takes a fifth of the time of Hypothesis's own choice of inputs.

    Hypothesis reduces an input that fails; the database passes the input on.
    """
    failed: list[tuple[Any, Exception]] = []
    results: list[str] = []

    def check_one(value: Any) -> None:  # noqa: ANN401 - each target has its own type
        try:
            results.append(check(target, value))
        except Exception as error:
            failed.append((value, error))
            raise

    fresh = settings(_SETTINGS, database=InMemoryExampleDatabase())
    test, choice = fresh(given(target.inputs)(check_one)), Random(batch_seed)
    fuzz = test.hypothesis.fuzz_one_input  # type: ignore[attr-defined]  # Hypothesis adds it
    with suppress(Exception):  # it is in `failed`
        for _ in range(count):
            fuzz(choice.randbytes(LONGEST_INPUT))
    outcomes.update(results)
    if not failed:
        return None
    with suppress(Exception):
        test()
    return _finding(target, *failed[-1])  # the last input that failed is the smallest one


def _finding(target: Target, value: Any, error: Exception) -> Finding:  # noqa: ANN401 - each target has its own type
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(str(ROOT))]
    last = own[-1] if own else frames[-1]
    place = f"{Path(last.filename).name}:{last.lineno} {last.name}"
    return Finding(target.name, value, f"{type(error).__name__}: {error}", place)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        raise TookTooLong(f"more than {seconds} s of CPU time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
