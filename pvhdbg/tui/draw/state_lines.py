"""The two lines at the top: the state of the machine, and the stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.record.document import HALTED, RUNAWAY
from pvhdbg.boot.stop import stages
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean, cut, fit, length
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import ending, state
from pvhdbg.tui.screen.kept import OF_VIEW, SELECTION, TYPED, kept
from pvhdbg.tui.screen.step_shown import step_shown
from pvhdbg.views.rows import cpu_rows, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.lines.signs import Signs
    from pvhdbg.tui.screen.state import Screen, StageMark

GAP = "   "
_LONGEST_NAME, _LONGEST_REASON, _LONGEST_COMMAND = 20, 40, 16


class Part(NamedTuple):
    """A part of the first line, in wordings from long to short. The last is empty if the part may be dropped."""

    style: str
    wordings: tuple[str, ...]


@kept(*SELECTION, *TYPED, *OF_VIEW, "output_top")
def state_line(screen: Screen, width: int) -> Line:
    """Draw program, kernel, machine, run state, CPU mode, RIP and symbols, as far as they fit."""
    sign = signs(screen.ascii)
    parts = _parts(screen)
    chosen = dict.fromkeys(parts, 0)
    for name in _SHRINKING:
        if length(_line(parts, chosen)) <= width:
            break
        chosen[name] = min(chosen[name] + 1, len(parts[name].wordings) - 1)
    return fit(_line(parts, chosen), width, sign.more)


# The parts that are shortened, in this order.
_SHRINKING = (
    *("machine", "symbols", "cpu", "rip", "machine", "kernel", "kernel", "title"),
    *("symbols", "cpu", "run", "cpu", "rip", "rip", "run"),
)


def _line(parts: dict[str, Part], chosen: dict[str, int]) -> Line:
    shown = [(part.style, part.wordings[chosen[name]]) for name, part in parts.items()]
    line: Line = []
    for style, words in shown:
        if words:
            line += [("", GAP if line else " "), (style, words)]
    return line


def _parts(screen: Screen) -> dict[str, Part]:
    kernel, machine = clean(screen.title.kernel), clean(screen.title.machine)
    return {
        "title": Part(classes.TITLE, ("pvhdbg", "")),
        "kernel": Part(classes.KERNEL, (kernel, _short_name(kernel, signs(screen.ascii).more), "")),
        "machine": Part(classes.KERNEL, (machine, _short_machine(machine), "")),
        "run": _run_part(screen),
        "past": Part(classes.PAST, _past(screen)),
        "cpu": Part(classes.CPU, _mode(screen)),
        "rip": Part(classes.CPU, _rip(screen)),
        "symbols": Part(classes.SYMBOLS, _symbols(screen)),
    }


def _run_part(screen: Screen) -> Part:
    """Return the state of the guest. A panic looks like a death."""
    watched, sign = ending.of(screen), signs(screen.ascii).runs
    if watched is None or screen.run.kind == state.RECORDING:
        return Part(classes.RUNS.get(screen.run.kind, classes.STOPPED), _run(screen))
    if watched.ended == HALTED:
        return Part(classes.STOPPED, (f"{sign[state.STOPPED]} halted for good", f"{sign[state.STOPPED]} halted"))
    if watched.ended == RUNAWAY:
        return Part(classes.DEAD, (f"{sign[state.DEAD]} executes zero bytes",))
    message, more = clean(watched.message), signs(screen.ascii).more
    wordings = (f"panic: {message}", f"panic: {cut(message, _LONGEST_REASON, more)}") if message else ()
    return Part(classes.DEAD, tuple(f"{sign[state.DEAD]} {words}" for words in (*wordings, "panicked")))


def _short_name(name: str, more: str) -> str:
    """Return the name, without its last parts if it is long: `vmlinux-6.1.0-56…`."""
    if len(name) <= _LONGEST_NAME:
        return name
    start = name[:_LONGEST_NAME].rpartition("-")[0]
    return f"{start}{more}" if start else cut(name, _LONGEST_NAME, more)


def _short_machine(machine: str) -> str:
    """Return QEMU's machine type, or "attached" for a machine that pvhdbg did not start."""
    return "attached" if machine.startswith("at ") else machine.partition(" ")[0]


def _run(screen: Screen) -> tuple[str, ...]:
    run = screen.run
    sign = signs(screen.ascii).runs.get(run.kind, " ")
    where, how = clean(run.where), clean(ending.how_it_died(screen) if run.kind == state.DEAD else run.how)
    if run.kind == state.STOPPED:
        return (f"{sign} stopped at {where}" if where else f"{sign} stopped",)
    if run.kind == state.RUNNING or (run.kind == state.STARTING and run.since):
        return (f"{sign} {run.kind} {max(int(screen.clock - run.since), 0)} s",)
    if run.kind == state.DEAD:
        is_reset = screen.outcome is not None and screen.outcome.watched is not None
        short = "reset after a panic" if is_reset else where.replace("-", " ") or how
        return (f"{sign} died: {how}", f"{sign} died: {short}")
    short = f"{sign} {run.kind}"
    long = f"{short}: {where}" if where else short
    return long, long, short


def _past(screen: Screen) -> tuple[str, ...]:
    """Name the earlier stage that is shown: the parts after it are about that stage."""
    capture = screen.capture
    if screen.moment is not None:
        return (f" shown: step {screen.moment.step:,} ",)
    return ("",) if screen.past is None or capture is None else (f" shown: {clean(capture.stage)} ",)


def _mode(screen: Screen) -> tuple[str, ...]:
    """Return the CPU mode at the displayed stop."""
    capture = screen.capture
    if capture is None or (screen.past is None and screen.run.kind == state.RUNNING):
        return ("",)
    mode, paging = clean(capture.cpu_mode), cpu_rows.paging_words(capture)
    return f"{mode}, {paging}", f"{mode}, {paging.partition(' (')[0]}", mode, ""


def _rip(screen: Screen) -> tuple[str, ...]:
    """Return RIP at the displayed stop, and the symbol there."""
    rip, name = _place(screen)
    if rip is None:
        return ("",)
    address, symbol = text.address(rip), clean(name or "")
    if not symbol:
        return f"rip {address}", address, address, ""
    return f"rip {address} {symbol}", f"{address} {symbol}", symbol, ""


def _place(screen: Screen) -> tuple[int | None, str | None]:
    run, capture = screen.run, screen.capture
    if screen.moment is not None:
        return screen.moment.capture.rip, screen.moment.symbol
    if screen.past is None or capture is None:
        return (None, None) if run.kind == state.RUNNING else (run.rip, run.symbol)
    stage = stages.stage(capture.stage, screen.image)
    return capture.rip, None if stage.returns else stage.symbol


def _symbols(screen: Screen) -> tuple[str, ...]:
    """Return the wordings for the state of gdb's symbols. `symbols loaded` is dropped first, other states last.

    A recording has no gdb.
    """
    if screen.run.kind == state.RECORDING:
        return ("",)
    if screen.symbols == state.LOADED:
        return screen.symbols, "", ""
    if screen.symbols == state.LOADING and screen.first_queued:
        waits = cut(clean(screen.first_queued), _LONGEST_COMMAND, signs(screen.ascii).more)
        return (f"{waits} waits for symbols",)
    return screen.symbols, screen.symbols.replace("loading symbols", "loading"), ""


_TIMELINES = ((4, 0), (3, 0), (2, 0), (2, 1), (1, 1), (1, 2))
"""Cells between the stages, and how much the right part is shortened, from the widest line to the narrowest."""
_SLIDERS = tuple((distance, short) for short in (0, 1) for distance in (40, 32, 24, 18, 13, 9, 6, 4))
"""The same for the stages of a trace, between which there is a slider."""


@kept(*SELECTION, *TYPED, *OF_VIEW, "output_top")
def timeline(screen: Screen, width: int) -> Line:
    """Draw the stages and, to the right, the queued commands and the findings."""
    left: Line = []
    right: Line = []
    for distance, short in (*(_SLIDERS if screen.trace else ()), *_TIMELINES):
        left, right = _stages(screen, distance), _right(screen, short=short)
        if length(left) + length(right) < width:
            break
    gap = width - length(left) - length(right)
    return fit([*left, ("", " " * max(gap, 1)), *right], width, signs(screen.ascii).more)


def _stages(screen: Screen, distance: int) -> Line:
    sign = signs(screen.ascii)
    past = screen.capture.stage if screen.past is not None and screen.capture and not screen.moment else None
    line: Line = [("", " ")]
    ended_after, mark_of_end = _ended_after(screen), _mark_of_end(screen)
    is_stopped = screen.run.kind == state.STOPPED and mark_of_end is None
    is_between = is_stopped and all(mark.status != state.HERE for mark in screen.stages)
    for index, mark in enumerate(screen.stages):
        if index:
            before = screen.stages[index - 1]
            cells = distance - 1 if mark.status in _IN_TRACE or distance <= _TIMELINES[0][0] else _TIMELINES[0][0] - 1
            is_here = is_between and index - 1 == ended_after
            line += [
                *(_machine_between(sign, cells) if is_here else _link(screen, before.name, mark.name, cells)),
                ("", " "),
            ]
        line.append(_stage(mark, sign, is_shown=mark.name == past))
        if index == ended_after and mark_of_end is not None:
            line += [("", " "), mark_of_end] if distance > 1 else [mark_of_end, ("", " ")]
    return (
        [*line, ("", " "), *_machine_between(sign, 1)] if is_between and ended_after == len(screen.stages) - 1 else line
    )


_IN_TRACE = (state.PASSED, state.HERE)


def _machine_between(sign: Signs, cells: int) -> Line:
    """Draw the line between two stages with the sign of the machine, which is stopped there."""
    left = max(cells - 1, 0) // 2
    right = max(cells - 1 - left, 0)
    return [(classes.BORDER, sign.link * left), (classes.HERE, sign.slider), (classes.BORDER, sign.link * right)]


def _mark_of_end(screen: Screen) -> tuple[str, str] | None:
    """Return the mark of the guest's end among the stages; None if it has not ended."""
    sign, watched = signs(screen.ascii).runs, ending.of(screen)
    if screen.run.kind == state.DEAD or (screen.outcome and screen.outcome.died):
        return classes.DIED, f"{sign[state.DEAD]} died"
    if watched is None:
        return None
    if watched.ended == HALTED:
        return classes.STOPPED, f"{sign[state.STOPPED]} halted"
    return classes.DIED, f"{sign[state.DEAD]} {'left its code' if watched.ended == RUNAWAY else 'panicked'}"


def _ended_after(screen: Screen) -> int | None:
    """Return the index of the last stage that the guest reached or passed; None if there is none."""
    behind = (state.PASSED, state.HERE, state.MISSED)
    return max((index for index, mark in enumerate(screen.stages) if mark.status in behind), default=None)


def _stage(mark: StageMark, sign: Signs, *, is_shown: bool) -> tuple[str, str]:
    style, words = classes.STAGES.get(mark.status, ""), f"{clean(mark.name)} {sign.stages.get(mark.status, ' ')}"
    return (f"{style} {classes.SHOWN}", f"[{words}]") if is_shown else (style, words)


def _right(screen: Screen, *, short: int) -> Line:
    waiting = "" if not screen.queued else f"{screen.queued} queued  "
    if waiting and not short:
        waiting = f"{text.counted(screen.queued, 'command')} queued  "
    step: Line = [(classes.CURRENT, _step(screen, short=short))]
    return [*step, (classes.QUEUED, waiting), *_findings(screen, short=short), ("", " ")]


def _findings(screen: Screen, *, short: int) -> Iterator[tuple[str, str]]:
    """Count the findings of this boot up to the displayed stage, and those that are new at that stage."""
    sign = signs(screen.ascii)
    if screen.boot_findings and short < 2:
        yield "", "so far:" if short else "found so far:"
    for severity, style in classes.FINDINGS.items():
        count = sum(entry.finding.severity == severity for entry in screen.boot_findings)
        if count:
            words = str(count) if short else text.counted(count, severity, "info" if severity == "info" else None)
            yield style, f" {sign.findings[severity]} {words}"
    new = sum(entry.is_new for entry in screen.boot_findings)
    if new:
        yield classes.CHANGED, f" {sign.changed}{new}{'' if short > 1 else ' new'}"


def _step(screen: Screen, *, short: int) -> str:
    """Return the number of the displayed step; empty without a trace."""
    step = step_shown(screen)
    if screen.trace is None or step is None:
        return ""
    return f"{step:,}/{screen.trace.count:,}  " if short else f"step {step:,} of {screen.trace.count:,}   "


def _link(screen: Screen, before: str, after: str, cells: int) -> Line:
    """Draw the line between two stages, with the displayed step if it is between them."""
    sign, step, ends = signs(screen.ascii), step_shown(screen), _ends(screen, before, after)
    if screen.moment is None or step is None or ends is None or not ends[0] < step < ends[1] or cells < 1:
        return [(classes.BORDER, sign.link * cells)]
    at = (step - ends[0]) * cells // (ends[1] - ends[0])
    left, right = sign.link * at, sign.link * (cells - at - 1)
    return [(classes.BORDER, left), (classes.CURRENT, sign.slider), (classes.BORDER, right)]


def step_at(screen: Screen, before: str, after: str, cell: int, cells: int) -> int | None:
    """Return the step that a cell of the line between two stages stands for."""
    ends = _ends(screen, before, after)
    return None if ends is None else ends[0] + max((ends[1] - ends[0]) * cell // cells, 1)


def _ends(screen: Screen, before: str, after: str) -> tuple[int, int] | None:
    """Return the steps at two stages; None if the trace does not have both, in this order."""
    if screen.trace is None:
        return None
    steps = {place.capture.stage: place.step for place in screen.trace.index.places}
    first, last = steps.get(before), steps.get(after)
    return (first, last) if first is not None and last is not None and first < last else None
