"""The places to which Backspace returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.events.update import show_moment, show_stage
from pvhdbg.tui.screen.state import TrailEntry

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen


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
