"""Frames: the views' names in the top border, and the lines between panes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui import attached, classes, state
from pvhdbg.tui.line import fit, length
from pvhdbg.tui.signs import signs

if TYPE_CHECKING:
    from pvhdbg.tui.layout import Layout
    from pvhdbg.tui.line import Line
    from pvhdbg.tui.signs import Box
    from pvhdbg.tui.state import Screen

NOT_CAPTURED = (state.CODE, state.SERIAL)
"""Views that always show the present."""


def shows_past(screen: Screen) -> bool:
    return screen.past is not None and screen.view not in NOT_CAPTURED


def box(screen: Screen) -> Box:
    sign = signs(screen.ascii)
    return sign.past_box if shows_past(screen) else sign.box


def style(screen: Screen) -> str:
    if shows_past(screen):
        return classes.BORDER_PAST
    return classes.BORDER_FOCUS if screen.focus == state.VIEW else classes.BORDER


def top(screen: Screen, plan: Layout) -> Line:
    """The upper border with the names of the views and, above a second one, what that is."""
    drawn, border = box(screen), style(screen)
    left = rule(_tabs(screen, plan.inner), plan.inner, drawn.across, border)
    beside: Line = []
    if plan.beside:
        title: Line = [(classes.PANE_TITLE, " code ")]
        beside = [(border, drawn.top), *rule(title, plan.beside, drawn.across, border)]
    return [(border, drawn.top_left), *left, *beside, (border, drawn.top_right)]


def between(screen: Screen, plan: Layout, title: Line, *, closes: bool = False) -> Line:
    """The border above a pane that lies below the views: the last of them closes the frame."""
    drawn, border = box(screen), style(screen)
    ends = (drawn.bottom_left, drawn.bottom_right) if closes else (drawn.left, drawn.right)
    return [(border, ends[0]), *rule(title, plan.width - 2, drawn.across, border), (border, ends[1])]


def rule(title: Line, width: int, across: str, border: str) -> Line:
    """A line with words in it."""
    left = width - length(title)
    if left < 0:
        return fit(title, width)
    return [*title, (border, across * left)]


def sides(screen: Screen, line: Line) -> Line:
    """A line within the frame."""
    edge = (style(screen), box(screen).down)
    return [edge, *line, edge]


def _tabs(screen: Screen, width: int) -> Line:
    """All views by number and name: the names of those that are not shown get shorter until all have room."""
    for apart in (" ", ""):
        for longest in range(max(map(len, state.VIEWS)), 2, -1):
            found = _named(screen, longest, apart)
            if length(found) <= width:
                return found
    return fit(_named(screen, 0, ""), width, signs(screen.ascii).more)


def _named(screen: Screen, longest: int, apart: str) -> Line:
    concerned = _concerned(screen)
    found: Line = []
    for number, name in enumerate(state.VIEWS, start=1):
        chosen = number == screen.view
        words = f"{number} {name if chosen else name[:longest]}{concerned.get(number, '')}"
        if found:
            found.append((style(screen), f"{apart}{signs(screen.ascii).separator}{apart}"))
        found.append((classes.TAB_CHOSEN if chosen else classes.TAB, words))
    return [("", " "), *found, ("", " ")] if apart else found


def _concerned(screen: Screen) -> dict[int, str]:
    """The sign of the worst finding of all, beside the view that lists them."""
    if not screen.findings:
        return {}
    sign = signs(screen.ascii).findings.get(attached.worst(screen.findings).severity, "")
    return {state.FINDINGS: sign}
