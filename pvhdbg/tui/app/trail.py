"""The places to which Backspace returns, and the place of a finding's field."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from pvhdbg.tui.events.update import show_moment, show_stage
from pvhdbg.tui.screen.state import TrailEntry
from pvhdbg.tui.views import findings, table
from pvhdbg.tui.views.shown import capture_rows, row_of
from pvhdbg.views.rows.row import NOTHING

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import BootFinding, Screen


def remember(screen: Screen) -> Screen:
    """Add the current place to the trail, so that Backspace can return to it."""
    place = TrailEntry(screen.view, screen.position, screen.bytes, screen.past, screen.moment)
    return screen._replace(trail=(*screen.trail, place))


def back(screen: Screen, _size: object) -> Screen:
    if not screen.trail:
        return screen
    *rest, (view, position, shown_bytes, past, moment) = screen.trail
    if moment is not None:
        screen = show_moment(screen, moment)
    elif (screen.moment is not None or past != screen.past) and (past is None or past < len(screen.history)):
        screen = show_stage(screen, past)
    positions = {**screen.positions, view: position}
    return screen._replace(trail=tuple(rest), view=view, positions=positions, bytes=shown_bytes, memory_request=None)


def to_finding(screen: Screen, entry: BootFinding) -> Screen:
    """Go to the row of the finding's field, at the last stage with the finding if the displayed capture lacks it.

    If the field was not read there, go to the last stage before at which it was. The end of the guest is in what it
    printed last.
    """
    if entry.finding.field.startswith(findings.END):
        return remember(screen)._replace(view=(table.SERIAL if screen.serial else table.LOG).name)
    target = remember(screen)
    if not entry.is_current:
        stages = [capture.stage for capture in screen.history]
        target = show_stage(target, stages.index(entry.stages[-1]))
    last = len(screen.history) if target.past is None else target.past
    earlier = (show_stage(target, index) for index in range(last - 1, -1, -1))
    target = next((stop for stop in chain([target], earlier) if _has_value(stop, entry.finding.field)), target)
    place = row_of(target, entry.finding.field)
    if place is None:
        return screen._replace(message="no view shows the field of this finding")
    view, index = place
    return target._replace(view=view.name).at(index)


def _has_value(screen: Screen, path: str) -> bool:
    """Return whether a row of the displayed capture has the value at a path, or a part of it."""
    place = row_of(screen, path)
    return place is not None and capture_rows(screen, place[0])[place[1]].value != NOTHING
