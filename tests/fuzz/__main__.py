"""`make fuzz`: give hostile inputs to what reads them. `python -m tests.fuzz [--seed S] [--count N] [TARGET…]`."""

from __future__ import annotations

import argparse
import ast
import resource
from pathlib import Path

from tests.fuzz.runner import Finding, Report, check, run
from tests.fuzz.targets import TARGETS

MEMORY = 4 << 30
LONGEST_SHOWN = 2000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the parts that read hostile input.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of: {', '.join(TARGETS)} [all]")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same inputs [1]")
    parser.add_argument("--count", type=int, default=10_000, help="inputs for each target [10000]")
    parser.add_argument("--again", type=Path, metavar="FILE", help="check the input in FILE again, a Python literal")
    options = parser.parse_args()
    unknown = [name for name in options.targets if name not in TARGETS]
    if unknown:
        parser.error(f"unknown target: {unknown[0]}")
    # An input that needs gigabytes is a finding, not the end of the machine.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    names = options.targets or list(TARGETS)
    if options.again is not None:
        return _check_again(names, options.again)
    reports = [_run(name, options.seed, options.count) for name in names]
    return int(any(report.findings for report in reports))


def _check_again(names: list[str], path: Path) -> int:
    """Let the exception of a failing input through."""
    for name in names:
        print(f"{name}: {check(TARGETS[name], ast.literal_eval(path.read_text('utf-8')))}")
    return 0


def _run(name: str, seed: int, count: int) -> Report:
    report = run(TARGETS[name], seed, count)
    outcomes = ", ".join(f"{number} {outcome}" for outcome, number in report.outcomes.most_common())
    print(f"{name}, seed {seed}: {report.outcomes.total()} inputs in {report.seconds:.0f} s: {outcomes}", flush=True)
    for finding in report.findings:
        _print(finding)
    return report


def _print(finding: Finding) -> None:
    shown = repr(finding.value)
    print(f"  {finding.error}")
    print(f"    at {finding.place}")
    print(f"    input: {shown if len(shown) <= LONGEST_SHOWN else shown[:LONGEST_SHOWN] + '…'}")
    print(f"    again: python -m tests.fuzz --again {finding.save()} {finding.target}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
