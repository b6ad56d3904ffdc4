"""Frames: the views' names in the top border, and the lines between panes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.checks.finding import INFO, WARNING
from pvhdbg.tui.draw import classes
from pvhdbg.tui.draw.signs import signs
from pvhdbg.tui.screen import changes, finding_rows, state
from pvhdbg.tui.screen.line import fit, length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.tui.draw.layout import Layout
    from pvhdbg.tui.draw.signs import Box
    from pvhdbg.tui.screen.line import Line
    from pvhdbg.tui.screen.state import Screen


def shows_past(screen: Screen) -> bool:
    """The serial console is of the present whatever is looked at."""
    return screen.past is not None and screen.view != state.SERIAL


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
    """All views by number and name, as long and as far apart as there is room for."""
    found: Line = []
    for names, apart in _WORDINGS:
        found = _named(screen, names, apart)
        if length(found) <= width:
            break
    return fit(found, min(length(found), width), signs(screen.ascii).more)


_WORDINGS = (
    (state.VIEWS, " "),
    (state.VIEWS, ""),
    (state.SHORT_VIEWS, ""),
    *((tuple(each[:longest] for each in state.SHORT_VIEWS), "") for longest in (5, 4, 3, 0)),
)


def _named(screen: Screen, names: Sequence[str], apart: str) -> Line:
    """With a sign between number and name where there is something to see."""
    marked, found = _marked(screen), list[tuple[str, str]]()
    for number, name in enumerate(names, start=1):
        words = f"{number}{marked.get(number, ' ')}{name}"
        if found:
            found.append((style(screen), f"{apart}{signs(screen.ascii).separator}{apart}"))
        found.append((classes.TAB_CHOSEN if number == screen.view else classes.TAB, words))
    return [("", " "), *found, ("", " ")] if apart else found


def _marked(screen: Screen) -> dict[int, str]:
    """What changed has a star, and the view that lists findings the sign of the worst."""
    sign = signs(screen.ascii)
    marked = dict.fromkeys(changes.views(screen), sign.changed)
    if screen.noted:
        worst = finding_rows.worst([each.finding for each in screen.noted]).severity
        # Where only ASCII will do the others are letters, which would be read as the name's first.
        if not screen.ascii:
            marked[state.FINDINGS] = sign.findings.get(worst, " ")
        elif worst != INFO:
            marked[state.FINDINGS] = sign.findings[WARNING]
    return marked
