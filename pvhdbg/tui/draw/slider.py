"""The slider of a trace: where the displayed step is between its stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.events.steps import step_shown
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.signs import signs

if TYPE_CHECKING:
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen


def words(screen: Screen, *, short: bool) -> str:
    """Return the number of the displayed step; empty without a trace."""
    step = step_shown(screen)
    if screen.trace is None or step is None:
        return ""
    return f"{step:,}/{screen.trace.count:,}  " if short else f"step {step:,} of {screen.trace.count:,}   "


def link(screen: Screen, before: str, after: str, cells: int) -> Line:
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
