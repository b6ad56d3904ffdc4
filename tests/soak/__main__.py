"""`make soak`: many stops, many sessions, many kills. `python -m tests.soak [--seed S] [--kills N] [--stops N] …`."""

from __future__ import annotations

import argparse
import time
from collections import Counter

from tests.soak import kills, sessions


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--stops", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=20)
    options = parser.parse_args()
    failures = _stops(options.stops) + _sessions(options.sessions) + _kills(options.seed, options.kills)
    print(f"{failures} failures")
    return int(failures > 0)


def _stops(count: int) -> int:
    if not count:
        return 0
    marks = tuple(sorted({min(mark, count) for mark in (100, 1_000, count)}))
    start = time.monotonic()
    measured = sessions.step(marks)
    for memory in measured:
        print(f"{memory.stops:6} stops: pvhdbg {memory.pvhdbg} KiB, gdb {memory.gdb} KiB, QEMU {memory.qemu} KiB")
    print(f"{count} stops in {time.monotonic() - start:.0f} s")
    # By the second mark, the history is full: it keeps the last hundred stops.
    return int(measured[-1].pvhdbg - measured[min(1, len(measured) - 1)].pvhdbg >= sessions.MOST_GROWTH)


def _sessions(count: int) -> int:
    problems = sessions.side_by_side(count) if count else []
    print(f"{count} sessions side by side: {problems or 'nothing left'}")
    return len(problems)


def _kills(seed: int, count: int) -> int:
    failed = 0
    counts: Counter[tuple[str, str, str]] = Counter()
    for index, kill in enumerate(kills.kills(seed, count)):
        problems = kills.run(kill)
        counts[kill[:3]] += 1
        failed += bool(problems)
        for problem in problems:
            print(f"kill {index} of seed {seed}: {kill}: {problem}", flush=True)
    for (program, victim, how), number in sorted(counts.items()):
        print(f"{number:5}  {program}: {victim}, {how}")
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
