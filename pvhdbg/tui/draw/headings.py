"""The first line of a view: what the view shows, and from which stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.draw import boxes
from pvhdbg.tui.lines import classes
from pvhdbg.tui.screen import state
from pvhdbg.tui.views import table

if TYPE_CHECKING:
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen


def heading(screen: Screen) -> Line:
    view = table.shown(screen)
    line: Line = [*_when(screen), (classes.HEADING, f" {view.heading(screen) or view.name}")]
    if screen.only_changes and view.shows_capture:
        line.append((classes.CHANGED, "   * only changes"))
    return line


def _when(screen: Screen) -> Line:
    """Label captures of earlier stages as past, and views that always show the present with `now`."""
    capture = screen.capture
    if screen.moment is not None and capture:
        return [(classes.PAST, f" step {screen.moment.step:,}, after {capture.stage} ")]
    if screen.past is not None and capture and boxes.shows_past(screen):
        return [(classes.PAST, f" past: captured at {capture.stage} ")]
    if screen.past is not None and capture and screen.run.kind != state.RECORDING:
        return [(classes.PAST, " now ")]
    if screen.run.kind == state.RUNNING and not table.shown(screen).is_live:
        return [(classes.PAST, " as of the last stop ")]
    return []
