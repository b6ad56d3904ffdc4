"""The popup with an explanation: choose a link, follow it, and return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.lazy_pattern import pattern
from pvhdbg.tui.draw.popups import box, panel
from pvhdbg.tui.draw.popups.kinds import PANEL
from pvhdbg.tui.screen.state import Popup, Screen
from pvhdbg.views.explain import lookup

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.tui.draw.layout import Size

    Action = Callable[[Screen, Size], Screen]

_EXPLAIN = pattern(r"\s*(?:pvh\s+)?explain\s+(\S.*?)\s*")
_LONG_LISTS = {
    panel.ALL_NAMES: pattern(r"\s*(?:pvh\s+)?explain\s*"),
    panel.COMMANDS: pattern(r"\s*pvh(?:\s+help)?\s*"),
}


def asked(screen: Screen, line: str) -> Screen:
    """If a typed line asks for an explanation, return the screen with it; otherwise, return the same screen.

    `explain` and `pvh` without an argument print lists that are far longer than the prompt's pane.
    """
    match = _EXPLAIN.fullmatch(line)
    name = match[1] if match and lookup.is_name(match[1]) else ""
    name = next((page for page, lines in _LONG_LISTS.items() if lines.fullmatch(line)), name)
    return show(screen, name) if name else screen


def show(screen: Screen, name: str) -> Screen:
    """Explain a name."""
    return screen._replace(popup=Popup(PANEL, steps=(name,)), entry=None)


def toggle(screen: Screen, _size: object) -> Screen:
    """Show the whole detail of the selected row, or close it again."""
    is_shown = screen.popup is not None and screen.popup.kind == PANEL
    return screen._replace(popup=None) if is_shown else show(screen, panel.SELECTED_ROW)


def choose(links: int) -> Action:
    """Return an action that selects another link, and scrolls to it. After the last link comes the first."""

    def move(screen: Screen, size: Size) -> Screen:
        popup = screen.popup
        if popup is None or popup.kind != PANEL:
            return screen
        page = panel.page(screen, popup, box.text_width(size.width - 4))
        if not page.links:
            return screen._replace(message="this explanation has no links")
        selected = (popup.selected + links) % len(page.links)
        line, room = page.links[selected].line, size.height - 4
        top = min(max(popup.top, line - room + 1), line)
        return screen._replace(popup=popup._replace(selected=selected, top=top))

    return move


def follow(screen: Screen, size: Size) -> Screen:
    """Explain the selected link."""
    popup = screen.popup
    if popup is None or popup.kind != PANEL:
        return screen
    link = panel.link(screen, popup, box.text_width(size.width - 4))
    return screen if link is None else go_to(screen, link.name)


def go_to(screen: Screen, name: str) -> Screen:
    """Explain another name. Backspace returns to the explanation before."""
    steps = screen.popup.steps if screen.popup else ()
    return screen._replace(popup=Popup(PANEL, steps=(*steps, name)))


def back(screen: Screen, _size: object) -> Screen:
    """Return to the explanation before."""
    popup = screen.popup
    if popup is None or popup.kind != PANEL or len(popup.steps) < 2:
        return screen
    return screen._replace(popup=Popup(PANEL, steps=popup.steps[:-1]))
