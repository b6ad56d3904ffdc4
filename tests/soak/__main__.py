"""`make soak`: many stops, many sessions, many kills. `python -m tests.soak [--seed S] [--kills N] [--stops N] …`."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import TYPE_CHECKING

from tests import kernels
from tests.soak import kills, sessions, walks

if TYPE_CHECKING:
    from collections.abc import Sequence


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--kill", choices=kills.PROGRAMS, help="kill only this program")
    parser.add_argument("--xen-kills", type=int, default=100, metavar="N", help="kill sessions with a real Xen")
    parser.add_argument("--stops", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--walks", type=int, default=200, metavar="MOVES")
    options = parser.parse_args()
    programs = [options.kill] if options.kill else kills.WITHOUT_XEN
    failures = _stops(options.stops) + _sessions(options.sessions) + _kills(options.seed, options.kills, programs)
    failures += _kills(options.seed, options.xen_kills, kills.ON_XEN)
    failures += sum(_walk(name, options.seed, options.walks) for name in walks.KERNELS if options.walks)
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


def _kills(seed: int, count: int, programs: Sequence[str]) -> int:
    failed = 0
    counts: Counter[tuple[str, str, str]] = Counter()
    for index, kill in enumerate(kills.kills(seed, count, programs)):
        problems = kills.run(kill)
        counts[kill[:3]] += 1
        failed += bool(problems)
        for problem in problems:
            print(f"kill {index} of seed {seed}: {kill}: {problem}", flush=True)
    for (name, victim, how), number in sorted(counts.items()):
        print(f"{number:5}  {name}: {victim}, {how}")
    return failed


def _walk(name: str, seed: int, moves: int) -> int:
    try:
        kernel = walks.path_of(name)
    except kernels.MissingError as error:
        print(f"walk on {name}: {error}")
        return 0
    result = walks.walk(kernel, seed, moves)
    middle = result.took[len(result.took) // 2] if result.took else 0.0
    print(f"walk on {name}: {dict(result.moves)}, F7 {middle:.0f} ms, wrong: {result.wrong or 'nothing'}")
    for refusal in result.refused:
        print(f"    refused: {refusal}", flush=True)
    return len(result.wrong)


if __name__ == "__main__":
    raise SystemExit(main())
