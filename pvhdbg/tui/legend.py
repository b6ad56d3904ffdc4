"""The last line of the screen: what the keys do where the focus is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui import classes, state
from pvhdbg.tui.keys import EVERYWHERE, KEYS, PANE, PROMPT
from pvhdbg.tui.line import clean, fit, length
from pvhdbg.tui.signs import signs

if TYPE_CHECKING:
    from pvhdbg.tui.keys import Key
    from pvhdbg.tui.line import Line
    from pvhdbg.tui.state import Screen

ALWAYS = 3
"""Keys at the top of the table that come before all others: help, continue, next stage."""
_ENTRIES = {":": "go to", "/": "search"}


def legend(screen: Screen, width: int) -> Line:
    """As many keys as there is room for; while a line is typed in a pane, that line."""
    sign = signs(screen.ascii)
    if screen.entry:
        kind = _ENTRIES.get(screen.entry.kind, screen.entry.kind)
        return fit([(classes.ENTRY, f"{kind}: {clean(screen.entry.text)}{sign.caret}")], width, sign.more)
    scope = PROMPT if screen.focus == state.PROMPT else PANE
    chosen = _chosen(scope, width)
    return fit([part for key in KEYS if key in chosen for part in _word(key)], width, sign.more)


def _chosen(scope: str, width: int) -> list[Key]:
    """The first keys of the table, then those that work here alone, then the others, until the line is full."""
    everywhere = [key for key in KEYS if key.short and key.scope == EVERYWHERE]
    here = [key for key in KEYS if key.short and key.scope == scope]
    chosen: list[Key] = []
    for key in (*everywhere[:ALWAYS], *here, *everywhere[ALWAYS:]):
        width -= length(_word(key))
        if width < 0:
            break
        chosen.append(key)
    return chosen


def _word(key: Key) -> Line:
    return [(classes.KEY, f" {key.key}"), (classes.LEGEND, f" {key.short} ")]
