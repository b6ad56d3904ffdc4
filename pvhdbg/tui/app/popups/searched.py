"""The popups that show only what contains the typed words: the list of keys, and the palette."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.draw.popups import palette
from pvhdbg.tui.draw.popups.kinds import PALETTE, SEARCHED
from pvhdbg.tui.screen.state import Entry, Popup, Screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.tui.draw.layout import Size

    Action = Callable[[Screen, Size], Screen]

SEARCH = "/"
"""The kind of the entry line with the typed words."""
_AROUND = 7
"""Lines of the screen that the list does not fill."""


def show(kind: str) -> Action:
    return lambda screen, _size: screen._replace(popup=Popup(kind), entry=Entry(SEARCH))


def typed(screen: Screen, text: str) -> Screen:
    """Keep what the user typed into the entry line. In a popup, show what contains these words."""
    if screen.entry is None:
        return screen
    screen = screen._replace(entry=screen.entry._replace(text=text))
    popup = screen.popup
    if popup is None or popup.kind not in SEARCHED or popup.text == text:
        return screen
    return screen._replace(popup=popup._replace(text=text, selected=0, top=0))


def close(screen: Screen, _size: object) -> Screen:
    """Close the popup, and the entry line that belongs to it."""
    is_searched = screen.popup is not None and screen.popup.kind in SEARCHED
    return screen._replace(popup=None, entry=None if is_searched else screen.entry)


def choose(items: int, pages: int = 0) -> Action:
    """Return an action that selects another item of the palette."""

    def move(screen: Screen, size: Size) -> Screen:
        popup = screen.popup
        if popup is None or popup.kind != PALETTE:
            return screen
        last = max(len(palette.found(screen, popup)) - 1, 0)
        selected = popup.selected + items + pages * max(size.height - _AROUND, 1)
        return screen._replace(popup=popup._replace(selected=min(max(selected, 0), last)))

    return move
