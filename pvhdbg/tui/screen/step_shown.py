"""The step of a trace that the screen shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen


def step_shown(screen: Screen) -> int | None:
    """Return the number of the displayed step; None without a trace, and at a stage that is not in it."""
    if screen.trace is None or screen.moment is not None:
        return screen.moment.step if screen.moment else None
    return screen.trace.step_of(len(screen.history) - 1 if screen.past is None else screen.past)
