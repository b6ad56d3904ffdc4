"""The last line of the screen: what the keys do where the focus is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui import classes, state
from pvhdbg.tui.keys import EVERYWHERE, KEYS, PANE, PROMPT
from pvhdbg.tui.line import clean, fit, length
from pvhdbg.tui.signs import signs

if TYPE_CHECKING:
    from pvhdbg.tui.line import Line
    from pvhdbg.tui.state import Screen

_ENTRIES = {":": "go to", "/": "search"}


def legend(screen: Screen, width: int) -> Line:
    """As many keys as there is room for, those of the table's top first; while a line is typed in a pane, that line."""
    sign = signs(screen.ascii)
    if screen.entry:
        kind = _ENTRIES.get(screen.entry.kind, screen.entry.kind)
        return fit([(classes.ENTRY, f"{kind}: {clean(screen.entry.text)}{sign.caret}")], width, sign.more)
    scope = PROMPT if screen.focus == state.PROMPT else PANE
    line: Line = []
    for key in KEYS:
        word: Line = [(classes.KEY, f" {key.key}"), (classes.LEGEND, f" {key.short} ")]
        if key.short and key.scope in (EVERYWHERE, scope) and length(line) + length(word) <= width:
            line += word
    return fit(line, width, sign.more)
