"""Moves in a trace: (Screen) -> Screen. A step is an instruction that was executed; a stage is at one of the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.record import trace_moves
from pvhdbg.tui.events.update import show_moment, show_stage
from pvhdbg.tui.screen.step_shown import step_shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.tui.screen.state import Screen

_FIRST, _LAST = "this is the first instruction of the trace", "this is the end of the trace"


def show_step(screen: Screen, step: int) -> Screen:
    """Show the machine before a step: the captured stage if there is one, otherwise what the trace proves."""
    trace = screen.trace
    if trace is None:
        return screen._replace(message="this recording has no trace")
    if not 0 <= step <= trace.index.last:
        return screen._replace(message=_FIRST if step < 0 else _LAST)
    stage = trace.stage_at(step)
    if stage is None:
        return show_moment(screen, trace.at(step))
    return show_stage(screen, None if screen.history[stage] is screen.now else stage)


def store_before(screen: Screen, paddr: int, size: int) -> Screen:
    """Go back to the last store to these bytes, which is then the next instruction."""
    here, trace = _here(screen), screen.trace
    stores = trace.index.writers(paddr, size) if trace else iter(())
    step = next((step for step, _, _ in stores if step < here), None)
    if step is None:
        return screen._replace(message="no earlier instruction of this trace writes these bytes")
    return show_step(screen, step)


def _here(screen: Screen) -> int:
    """Return the number of the displayed step. Stages that are not in the trace come after it."""
    here = step_shown(screen)
    if here is not None:
        return here
    return screen.trace.index.last + 1 if screen.trace else 0


def _later(screen: Screen) -> Screen:
    return show_step(screen, _here(screen) + 1)


def _earlier(screen: Screen) -> Screen:
    return show_step(screen, _here(screen) - 1)


def _over(screen: Screen) -> Screen:
    trace, here = screen.trace, _here(screen)
    if trace is None or here >= trace.count:
        return show_step(screen, here + 1)
    return show_step(screen, trace_moves.over(trace.index, here))


def _out(screen: Screen) -> Screen:
    found = None if screen.trace is None else trace_moves.out(screen.trace.index, _here(screen))
    if found is None:
        return screen._replace(message="the function does not return in this trace")
    return show_step(screen, found)


def _start(screen: Screen) -> Screen:
    return show_step(screen, 0)


def _end(screen: Screen) -> Screen:
    return screen if screen.trace is None else show_step(screen, screen.trace.index.last)


MOVES: dict[str, Callable[[Screen], Screen]] = {
    "earlier": _earlier,
    "later": _later,
    "back-step": _earlier,
    "stepi": _later,
    "step": _later,
    "next": _over,
    "finish": _out,
    "restart": _start,
    "continue": _end,
}
"""What keys do in a trace, by action."""
