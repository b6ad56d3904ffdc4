"""The last line of the screen: what the keys do where the focus is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui import classes, state
from pvhdbg.tui.keys import EVERYWHERE, KEYS, PANE, PROMPT
from pvhdbg.tui.line import clean, fit, length
from pvhdbg.tui.signs import signs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.tui.keys import Key
    from pvhdbg.tui.line import Line
    from pvhdbg.tui.state import Screen

FIRST = ("help", "continue", "next-stage")
"""What the keys do that come before all others; while the guest runs, it is what stops it that people look for."""
WHILE_IT_RUNS = ("help", "interrupt")
_ENTRIES = {":": "go to", "/": "search"}


def legend(screen: Screen, width: int) -> Line:
    """As many keys as there is room for; while a line is typed in a pane, that line."""
    sign = signs(screen.ascii)
    if screen.entry:
        kind = _ENTRIES.get(screen.entry.kind, screen.entry.kind)
        return fit([(classes.ENTRY, f"{kind}: {clean(screen.entry.text)}{sign.caret}")], width, sign.more)
    scope = PROMPT if screen.focus == state.PROMPT else PANE
    chosen = _chosen(scope, width, WHILE_IT_RUNS if screen.run.kind == state.RUNNING else FIRST)
    parts = (part for key in KEYS if key in chosen for part in _word(key))
    return fit(parts, width, sign.more)


def _chosen(scope: str, width: int, actions: Sequence[str]) -> list[Key]:
    """The first ones, then those that work here alone, then the others, until the line is full."""
    everywhere = [key for key in KEYS if key.short and key.scope == EVERYWHERE]
    first = [key for key in everywhere if key.action in actions]
    others = [key for key in everywhere if key not in first and key.action not in WHILE_IT_RUNS]
    here = [key for key in KEYS if key.short and key.scope == scope]
    chosen: list[Key] = []
    for key in (*first, *here, *others):
        width -= length(_word(key))
        if width < 0:
            break
        chosen.append(key)
    return chosen


def _word(key: Key) -> Line:
    return [(classes.KEY, f" {key.key}"), (classes.LEGEND, f" {key.short} ")]
