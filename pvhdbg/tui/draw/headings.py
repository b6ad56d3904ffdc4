"""The first line of a view: what the view shows, and from which stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.lazy_pattern import pattern
from pvhdbg.tui.draw import boxes
from pvhdbg.tui.draw.tour import room as tour_room
from pvhdbg.tui.events import news
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import fit, length
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import state
from pvhdbg.tui.views import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen

_ENDS = pattern("[,:] ")
_WIDEST = 400
"""Longer than any heading."""


def heading(screen: Screen, width: int = _WIDEST) -> Line:
    """Draw the heading in the longest wording that fits."""
    drawn: Line = []
    for drawn in _wordings(screen):
        if length(drawn) <= width:
            break
    return drawn


def with_new_views(screen: Screen, width: int) -> Line:
    """Draw the heading and, at the right, the other views of what is new at the displayed stop.

    The tour and the findings of a death tell the user where to look, so no views are named then.
    """
    new = ", ".join(f"{view.key} {view.name}" for view in news.new_views(screen) if view.name != screen.view)
    words = f"{signs(screen.ascii).changed} new: {new} "
    left = width - len(words) - 1
    drawn = heading(screen, left)
    is_cut = screen.view == table.BYTES.name and drawn != heading(screen)
    is_guided = tour_room.is_shown(screen) or screen.run.kind == state.DEAD
    if not new or length(drawn) > left or is_cut or is_guided:
        return heading(screen, width)
    return [*fit(drawn, left + 1), (classes.CHANGED, words)]


def _wordings(screen: Screen) -> Iterator[Line]:
    """Yield the heading with a long label, with a short one, and then without its last parts."""
    view = table.shown(screen)
    words, labels = view.heading(view.at_source(screen)) or view.name, _when(screen)
    changes: Line = [(classes.CHANGED, "   * only changes")] if screen.only_changes and view.shows_capture else []
    shorter = [words[: end.start()] for end in reversed([*_ENDS.finditer(words)])]
    for when, what in (*((label, words) for label in labels), *((labels[-1], part) for part in shorter)):
        yield [*([(classes.PAST, f" {when} ")] if when else []), (classes.HEADING, f" {what}"), *changes]


def _when(screen: Screen) -> tuple[str, ...]:
    """Return the label for data of earlier stages, from long to short; `now` for views that always show the present."""
    capture, stage = screen.capture, table.shown(screen).as_of(screen)
    if stage:
        return f"as of {stage}, the last stage that had it", f"as of {stage}"
    if screen.moment is not None and capture:
        return (f"step {screen.moment.step:,}, after {capture.stage}",)
    if screen.past is not None and capture and boxes.shows_past(screen):
        return (f"past: captured at {capture.stage}",)
    if screen.past is not None and capture and screen.run.kind != state.RECORDING:
        return ("now",)
    if screen.run.kind == state.RUNNING and not table.shown(screen).is_live:
        return ("as of the last stop",)
    return ("",)
