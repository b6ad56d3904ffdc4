"""Change the package in random places and see whether the tests notice.

    python -m tests.mutants.run SEED N [PATH…]

makes N mutants of the files under PATH (by default PURE), with the seeds SEED to SEED + N - 1. A seed always makes the
same mutant of the same source. Mutants that are listed in accepted.txt are not run. The exit status is 1 if fewer than
95 % of the others are caught.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, NamedTuple

from tests.mutants.checkout import SURVIVED, TIMED_OUT, TIMEOUT, Checkout
from tests.mutants.operators import Mutant, all_mutants
from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PURE = (
    *("pvhdbg/abi", "pvhdbg/boot", "pvhdbg/checks", "pvhdbg/commands", "pvhdbg/image", "pvhdbg/views"),
    *("pvhdbg/target/block_cache.py", "pvhdbg/target/monitor.py", "pvhdbg/target/recording.py"),
)
"""What needs neither QEMU nor gdb."""
WORKERS = os.cpu_count() or 1
ENOUGH = 0.95
ACCEPTED = Path(__file__).parent / "accepted.txt"
KNOWN = "accepted"


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


def results(first: int, count: int, folders: Sequence[str], workers: int = WORKERS) -> Iterator[Result]:
    """Yield what became of each mutant, as soon as it is known."""
    found, reasons = all_mutants(ROOT, folders), accepted()
    with tempfile.TemporaryDirectory(prefix="pvhdbg-mutants-") as folder, ThreadPoolExecutor(workers) as pool:
        checkouts: Queue[Checkout] = Queue()
        for checkout in _checkouts(Path(folder), workers):
            checkouts.put(checkout)

        def run(seed: int) -> Result:
            mutant = random.Random(seed).choice(found)
            if mutant.key in reasons:
                return Result(seed, mutant, KNOWN, reasons[mutant.key])
            checkout = checkouts.get()
            try:
                return Result(seed, mutant, *checkout.judge(mutant))
            finally:
                checkouts.put(checkout)

        runs = [pool.submit(run, seed) for seed in range(first, first + count)]
        yield from (done.result() for done in as_completed(runs))


def _checkouts(folder: Path, count: int) -> Iterator[Checkout]:
    """Yield copies of the checkout, after all fast tests ran in the first of them."""
    record = folder / "record.json"
    first = Checkout(folder / "0", record)
    broken = first.failures(["tests"])
    if broken is None:
        raise SystemExit(f"the unchanged tests did not end within {TIMEOUT:.0f} s")
    if not record.exists():
        raise SystemExit(broken[0])
    for test in broken:
        print(f"fails without a change, and is left out: {test}", flush=True)
    first.broken = broken
    yield first
    yield from (Checkout(folder / str(number), record, broken) for number in range(1, count))


def main(first: int, count: int, *folders: str) -> int:
    verdicts = []
    for result in results(first, count, folders or PURE):
        verdicts.append(result.verdict)
        print(result, flush=True)
    known, survived = verdicts.count(KNOWN), verdicts.count(SURVIVED)
    judged = count - known
    print(
        f"{count} mutants from seed {first}: {judged - survived} caught ({verdicts.count(TIMED_OUT)} timed out), "
        f"{survived} survived (not noticed, or equivalent), {known} accepted as equivalent"
    )
    return int(judged - survived < ENOUGH * judged)


if __name__ == "__main__":
    seed, number, *paths = sys.argv[1:]
    sys.exit(main(int(seed), int(number), *paths))
