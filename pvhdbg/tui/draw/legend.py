"""The last line of the screen: what the keys do in the pane that has the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.run.observed_calls import CALLERS
from pvhdbg.boot.stop import stages
from pvhdbg.tui.draw.keys import EVERYWHERE, KEYS, PANE, PROMPT, TOUR, impossible_now
from pvhdbg.tui.draw.popups.kinds import SEARCHED
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean, fit, length
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.kept import SELECTION, kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.tui.draw.keys import Key
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen

FIRST = ("help", "continue", "next-stage")
"""The actions that come before all others in the legend, if the guest is stopped."""
WHILE_RUNNING = ("help", "interrupt")
ONCE_DEAD = ("help", "back-step", "back-stage", "restart")
WITHOUT_GUEST = ("help",)
IN_RECORDING = ("help", "next-stage")
_FIRST = {
    state.RUNNING: WHILE_RUNNING,
    state.DEAD: ONCE_DEAD,
    state.RECORDING: IN_RECORDING,
    state.ENDED: WITHOUT_GUEST,
}
_NEXT_STAGE = "next-stage"
_ENTRIES = {":": "go to", "/": "search", "save to ": "save the screen to (.svg or text)"}


@kept(*SELECTION, "message", "memory_request", "output_top")
def legend(screen: Screen, width: int) -> Line:
    """Draw as many keys as fit or, while the user types an address or a search text in a pane, that text."""
    sign = signs(screen.ascii)
    if screen.popup and screen.popup.kind in SEARCHED:  # the typed words are in the popup
        from pvhdbg.tui.draw.popups import box

        return fit([(classes.LEGEND, box.keys(screen.popup))], width, sign.more)
    if screen.entry:
        kind = _ENTRIES.get(screen.entry.kind, screen.entry.kind)
        return fit([(classes.ENTRY, f"{kind}: {clean(screen.entry.text)}{sign.caret}")], width, sign.more)
    scope = {state.PROMPT: PROMPT, state.CARD: TOUR}.get(screen.focus, PANE)
    actions = _FIRST.get(screen.run.kind, FIRST)
    if actions is FIRST and _is_in_function(screen):
        actions = (*FIRST, "finish")
    chosen = _chosen(screen, scope, width, actions)
    parts = (part for key in KEYS if key in chosen for part in _word(screen, key))
    return fit(parts, width, sign.more)


def _chosen(screen: Screen, scope: str, width: int, actions: Sequence[str]) -> list[Key]:
    """Choose the keys of `actions`, then the keys that work only in `scope`, then others, until the line is full."""
    everywhere = [key for key in KEYS if key.short and key.scope == EVERYWHERE]
    first = [key for key in everywhere if key.action in actions]
    never = impossible_now(screen)
    unwanted = ({*WHILE_RUNNING, *ONCE_DEAD, "finish"} - {*actions}) | never
    first = [key for key in first if key.action not in never]
    if not next_stage(screen):
        unwanted.add(_NEXT_STAGE)
        first = [key for key in first if key.action != _NEXT_STAGE]
    others = [key for key in everywhere if key not in first and key.action not in unwanted]
    here = [key for key in KEYS if key.short and key.scope == scope and key.action not in unwanted]
    here += [key for key in KEYS if scope == TOUR and key.scope == PANE and key.action == "focus-next"]
    chosen: list[Key] = []
    for key in (*here, *first, *others) if scope == TOUR else (*first, *here, *others):
        width -= length(_word(screen, key))
        if width < 0:
            break
        chosen.append(key)
    return chosen


def _is_in_function(screen: Screen) -> bool:
    """Return whether the guest stopped inside a function that a stage's code has called: Shift-F11 leaves its loops."""
    symbol = (screen.run.symbol or "").partition("+")[0]
    is_stage = any(symbol == stage.symbol for stage in stages.of(screen.image))
    return bool(symbol) and screen.run.where not in stages.NAMES and not is_stage and symbol not in CALLERS


def _word(screen: Screen, key: Key) -> Line:
    words = "show all panes" if key.action == "zoom" and screen.zoomed else key.short
    if key.action == _NEXT_STAGE:
        words = f"{signs(screen.ascii).to} {clean(next_stage(screen))}"
    return [(classes.KEY, f" {key.key}"), (classes.LEGEND, f" {words} ")]


def next_stage(screen: Screen) -> str:
    """Return the name of the stage to which F6 goes, or an empty string after the last stage."""
    if screen.run.kind == state.RECORDING:
        captured = () if screen.past is None else screen.history[screen.past + 1 : screen.past + 2]
        return next((capture.stage for capture in captured), "")
    return next((mark.name for mark in screen.stages if mark.status in (state.AHEAD, state.UNDONE)), "")
