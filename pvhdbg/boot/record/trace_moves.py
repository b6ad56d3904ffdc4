"""Where a step over a call, out of a loop or out of a function leads in a trace."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.record.trace import folded

if TYPE_CHECKING:
    from pvhdbg.boot.record.trace import Fold
    from pvhdbg.boot.record.trace_index import TraceIndex

_CALLS, _RETURNS = ("call", "lcall"), ("ret", "lret", "iret")


def over(index: TraceIndex, step: int) -> int:
    """Return the step behind the call or the folded loop at a step; without them the next one."""
    here = index.code_at(step)
    if here.text.startswith(_CALLS):
        depth = index.registers_at(step)["rsp"]
        return _behind(index, step, here.rip + len(here.raw), depth)
    fold = loop(index, step)
    return min(step + 1 if fold is None else fold.start + fold.size * fold.times, index.last)


def _behind(index: TraceIndex, step: int, rip: int, depth: int | None) -> int:
    """Return the first step after `step` at an address and with a stack pointer; the last step if there is none."""
    now = depth
    for at in range(step, len(index.trace.steps) - 1):
        now = index.trace.steps[at].registers.get("rsp", now)
        if now == depth and index.code_at(at + 1).rip == rip:
            return at + 1
    return index.last


def out(index: TraceIndex, step: int) -> int | None:
    """Return the step behind the return of the function at a step; None if it does not return in the trace."""
    depth = index.registers_at(step)["rsp"]
    for at in range(step, min(index.last, len(index.trace.steps))):
        changed = index.trace.steps[at].registers.get("rsp")
        is_return = changed is not None and index.code_at(at).text.startswith(_RETURNS)
        if is_return and (depth is None or (changed or 0) > depth):
            return at + 1
    return None


def loop(index: TraceIndex, step: int) -> Fold | None:
    """Return the repetitions that a step is in, if it is executed several times in a row."""
    if step >= len(index.trace.steps):
        return None
    folds = _folds(index)
    fold = folds[bisect_right(folds, step, key=lambda item: item.start) - 1]
    return fold if fold.times > 1 else None


@lru_cache(2)
def _folds(index: TraceIndex) -> tuple[Fold, ...]:
    return tuple(folded(index.trace.steps))
