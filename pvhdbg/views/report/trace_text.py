"""A trace as text: its instructions, what each wrote, and loops as one item."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.record.trace import ENDS, folded
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.record.trace import Fold, Step, Trace

MOST_LINES = 20_000
BYTES_SHOWN = 8
_TEXT = 34


def lines(trace: Trace, most: int = MOST_LINES) -> list[str]:
    """Return a line for each instruction, at most `most`, under the names of the functions and the stages."""
    shown: list[str] = []
    for line in _all(trace):
        if len(shown) == most:
            shown.append(f"  (more than {most:,} lines: the rest is in the recording)")
            break
        shown.append(line)
    return [f"trace: {text.counted(len(trace.steps), 'instruction')}; {ENDS[trace.ended]}", *shown]


def _all(trace: Trace) -> Iterator[str]:
    stages: dict[int, list[str]] = {}
    for name, index in trace.stops.items():
        stages.setdefault(index, []).append(name)
    function = None
    for fold in folded(trace.steps):
        passed = [name for at in sorted(stages) if at <= fold.start for name in stages.pop(at)]
        yield from (f" stage {name}" for name in passed)
        for index in range(fold.start, fold.start + fold.size):
            code = trace.code[trace.steps[index].code]
            if code.function != function:
                function = code.function
                place = f" {printable(code.source)}" if code.source else ""
                yield f"  {printable(function) or '(no symbol)'}{place}"
            yield _line(trace, index)
        if fold.times > 1:
            yield _again(trace, fold)
    yield from (f" stage {name}" for at in sorted(stages) for name in stages[at])


def _line(trace: Trace, index: int) -> str:
    step = trace.steps[index]
    code = trace.code[step.code]
    times = f" ({step.times:,} times)" if step.times != 1 else ""
    return f"    {index:>7} {code.rip:#x}  {printable(code.text) + times:{_TEXT}} {_effects(step)}".rstrip()


def _effects(step: Step) -> str:
    registers = [f"{name}={value:#x}" for name, value in step.registers.items() if name != "eflags"]
    return "  ".join([*registers, *(_stored(store.paddr, store.data) for store in step.stores)])


def _stored(paddr: int, data: bytes) -> str:
    shown = data[:BYTES_SHOWN].hex(" ")
    more = f" and {text.counted(len(data) - BYTES_SHOWN, 'byte')} more" if len(data) > BYTES_SHOWN else ""
    return f"[{paddr:#x}]={shown}{more}"


def _again(trace: Trace, fold: Fold) -> str:
    """Describe the repetitions of a loop, and the registers after the last one."""
    last: dict[str, int] = {}
    for step in trace.steps[fold.start + fold.size : fold.start + fold.size * fold.times]:
        last.update(step.registers)
    what = "this instruction" if fold.size == 1 else f"these {fold.size} instructions"
    after = "  ".join(f"{name}={value:#x}" for name, value in last.items() if name != "eflags")
    return f"            {what}, {fold.times - 1:,} times more: {after}".rstrip(": ")
