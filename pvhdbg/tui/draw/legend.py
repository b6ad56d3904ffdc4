"""The last line of the screen: what the keys do where the focus is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.draw.keys import EVERYWHERE, KEYS, PANE, PROMPT
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean, fit, length
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.tui.draw.keys import Key
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen

FIRST = ("help", "continue", "next-stage")
"""What the keys do that come before all others; while the guest runs, it is what stops it that people look for."""
WHILE_IT_RUNS = ("help", "interrupt")
ONCE_DEAD = ("help", "restart")
WITHOUT_A_GUEST = ("help",)
_RUN_ON = ("continue", "next-stage", "next", "step")
"""What can't be done with a guest that is dead, nor with a recording."""
_FIRST = {
    state.RUNNING: WHILE_IT_RUNS,
    state.DEAD: ONCE_DEAD,
    state.RECORDING: WITHOUT_A_GUEST,
    state.ENDED: WITHOUT_A_GUEST,
}
_ENTRIES = {":": "go to", "/": "search"}


def legend(screen: Screen, width: int) -> Line:
    """As many keys as there is room for; while a line is typed in a pane, that line."""
    sign = signs(screen.ascii)
    if screen.entry:
        kind = _ENTRIES.get(screen.entry.kind, screen.entry.kind)
        return fit([(classes.ENTRY, f"{kind}: {clean(screen.entry.text)}{sign.caret}")], width, sign.more)
    scope = PROMPT if screen.focus == state.PROMPT else PANE
    chosen = _chosen(scope, width, _FIRST.get(screen.run.kind, FIRST))
    parts = (part for key in KEYS if key in chosen for part in _word(key))
    return fit(parts, width, sign.more)


def _chosen(scope: str, width: int, actions: Sequence[str]) -> list[Key]:
    """The first ones, then those that work here alone, then the others, until the line is full."""
    everywhere = [key for key in KEYS if key.short and key.scope == EVERYWHERE]
    first = [key for key in everywhere if key.action in actions]
    unfit = {*WHILE_IT_RUNS, *ONCE_DEAD, *(() if actions in (FIRST, WHILE_IT_RUNS) else _RUN_ON)}
    others = [key for key in everywhere if key not in first and key.action not in unfit]
    here = [key for key in KEYS if key.short and key.scope == scope and key.action not in unfit]
    chosen: list[Key] = []
    for key in (*first, *here, *others):
        width -= length(_word(key))
        if width < 0:
            break
        chosen.append(key)
    return chosen


def _word(key: Key) -> Line:
    return [(classes.KEY, f" {key.key}"), (classes.LEGEND, f" {key.short} ")]
