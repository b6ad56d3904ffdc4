"""What is drawn at a place of the screen, for the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.draw import boxes, legend, panes, state_lines
from pvhdbg.tui.draw.keys import KEYS
from pvhdbg.tui.draw.layout import is_too_small, layout
from pvhdbg.tui.draw.popups import box, panel
from pvhdbg.tui.draw.popups.kinds import CHAIN, PALETTE, PANEL, is_place
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean
from pvhdbg.tui.screen import state
from pvhdbg.tui.views import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.tui.draw.layout import Layout
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Popup, Screen

TAB, STAGE, STEP, ROW, PANE, LINK, OUTSIDE = "tab", "stage", "step", "row", "pane", "link", "outside"
_TIMELINE, _TABS = 1, 2
_TAB_STYLES = (classes.TAB, classes.TAB_CHOSEN)


class Target(NamedTuple):
    """What is at a place. `kind` is one of those above.

    `name` is the view of a tab, the name of a stage, or the pane. `number` is the row of the view, or the number of
    the step, item or link of the popup, or the step of the trace. OUTSIDE is everything beside a popup.
    """

    kind: str
    name: str = ""
    number: int = 0


def at(screen: Screen, width: int, height: int, column: int, line: int) -> Target | None:
    """Return what is drawn there, in a frame of this size; None for borders and everything else without a meaning."""
    if is_too_small(width, height):
        return None
    if screen.popup is not None:
        return _in_popup(screen, screen.popup, (width, height), column, line)
    plan = layout(screen, width, height)
    if line == _TIMELINE:
        return _stage(screen, state_lines.timeline(screen, width), column)
    tabs = _TABS + plan.context
    if line == tabs:
        return _tab(screen, plan, column)
    return _in_pane(screen, plan, column, line - tabs - 1) if line > tabs else None


def key_action(screen: Screen, width: int, column: int) -> str:
    """Return the action of the key at a column of the legend; empty between keys."""
    name, end = "", 0
    for style, words in legend.legend(screen, width):
        end += len(words)
        name = words.strip() if style == classes.KEY else name
        if column < end:
            return next((key.action for key in KEYS if key.key == name), "") if words.strip() else ""
    return ""


def _at(line: Line, column: int) -> tuple[str, str, int]:
    """Return the style and the text of the fragment at a column, and its index."""
    end = 0
    for index, (style, words) in enumerate(line):
        end += len(words)
        if column < end:
            return style, words, index
    return "", "", 0


def _stage(screen: Screen, line: Line, column: int) -> Target | None:
    """Return the stage that is drawn there or, in a trace, the step on the line between two stages."""
    names = {clean(mark.name) for mark in screen.stages}
    at, found = 0, [(0, "")]
    for _, words in line:
        name = words.strip("[] ").partition(" ")[0]
        if name in names and at <= column < at + len(words):
            return Target(STAGE, name)
        found += [(at, name), (at + len(words), name)] if name in names else []
        at += len(words)
    behind = next((index for index, (place, _) in enumerate(found) if place > column), 0)
    (start, before), (end, after) = found[behind - 1], found[behind]
    step = state_lines.step_at(screen, before, after, column - start, max(end - start - 1, 1)) if behind else None
    return None if step is None else Target(STEP, number=step)


def _tab(screen: Screen, plan: Layout, column: int) -> Target | None:
    line = boxes.top(screen, plan)
    style, words, index = _at(line, column)
    if style in _TAB_STYLES:
        number = sum(style in _TAB_STYLES for style, _ in line[:index])
        return Target(TAB, table.VIEWS[number].name)
    return Target(TAB, words.strip()) if words.strip() in table.BY_NAME else None


def _in_pane(screen: Screen, plan: Layout, column: int, line: int) -> Target | None:
    """Return the target below the tabs. `line` counts from the view's heading."""
    if line < plan.view:
        return _in_views(screen, plan, column - 1, line)
    line -= plan.view
    for pane, lines in ((None, plan.strip), (state.DETAIL, plan.detail), (state.CARD, plan.card)):
        if lines and line <= lines:
            return Target(PANE, pane) if pane else None
        line -= lines + 1 if lines else 0
    return Target(PANE, state.OUTPUT)


def _in_views(screen: Screen, plan: Layout, column: int, line: int) -> Target | None:
    if column >= plan.inner:
        end = plan.inner
        for pane in plan.beside:
            end += pane.width + 1
            if column < end:
                return Target(TAB, pane.view.name)
        return Target(PANE, state.CARD) if plan.card_width else None
    below = line - plan.chosen
    for under in plan.under:
        if 0 <= below <= under.lines:
            return Target(TAB, under.view.name)
        below -= under.lines + 1
    return _row(screen, plan, line)


def _row(screen: Screen, plan: Layout, line: int) -> Target:
    row = panes.row_at(screen, plan.inner, plan.chosen, line - 1)
    return Target(PANE, state.VIEW) if row is None else Target(ROW, number=row)


def _in_popup(screen: Screen, popup: Popup, size: tuple[int, int], column: int, line: int) -> Target | None:
    place = box.place(screen, popup, *size)
    if not (place.left <= column < place.left + place.width and place.top <= line < place.top + place.height):
        return Target(OUTSIDE)
    index = line - place.text + place.first
    if line < place.text or line >= place.top + place.height - 1:
        return None
    if popup.kind == PANEL:
        return _link(screen, popup, size[0], column - place.left - 2, index)
    if popup.kind == PALETTE or (popup.kind == CHAIN and is_place(popup, index)):
        return Target(LINK, number=index)
    return None


def _link(screen: Screen, popup: Popup, width: int, column: int, line: int) -> Target | None:
    links = panel.page(screen, popup, box.text_width(width - 4)).links
    found: Iterator[int] = (
        number for number, link in enumerate(links) if link.line == line and link.start <= column < link.end
    )
    number = next(found, None)
    return None if number is None else Target(LINK, number=number)
