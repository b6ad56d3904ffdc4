"""The popup with the way of a value, as `who` has found it, and the way to its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.app.trail import remember
from pvhdbg.tui.draw.popups.kinds import CHAIN, is_place
from pvhdbg.tui.events.steps import show_step
from pvhdbg.tui.events.update import show_stage
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Popup, Screen
from pvhdbg.tui.views.shown import row_of, selected
from pvhdbg.views.report import who_text

if TYPE_CHECKING:
    from collections.abc import Callable

    Action = Callable[[Screen, object], Screen]


def show(screen: Screen, _size: object) -> Screen:
    """Show the steps of the last chain that `who` has printed; in a trace, those that wrote the field."""
    steps = who_text.steps_in(screen.output) if screen.trace else who_text.chain_in(screen.output)
    if not steps:
        return screen._replace(message="no chain of `who` in the output: press w on a row first")
    return screen._replace(popup=Popup(CHAIN, steps=steps))


def choose(fields: int) -> Action:
    """Return an action that selects another step of a chain to which Enter can go."""

    def move(screen: Screen, _size: object) -> Screen:
        popup = screen.popup
        if popup is None or not popup.steps:
            return screen
        places = [index for index in range(len(popup.steps)) if is_place(popup, index)]
        chosen = places.index(popup.selected) + fields if popup.selected in places else 0
        return screen._replace(popup=popup._replace(selected=places[min(max(chosen, 0), len(places) - 1)]))

    return move


def follow(screen: Screen, _size: object) -> Screen:
    """Go to the selected step of a trace, or to the row of the selected field of a chain: in the displayed capture, or
    in the last one that shows it.

    A row of the kernel's copy of start_info also stands for the original, but a row of its own is better.
    """
    popup, screen = screen.popup, screen._replace(popup=None)
    step = who_text.step_in(popup.steps[popup.selected]) if popup and popup.steps else None
    if step is not None:
        return show_step(remember(screen), step)
    path = popup.steps[popup.selected].partition("+")[0] if popup and popup.steps else ""
    found = None
    for past in (screen.past, *reversed(range(len(screen.history)))):
        target = screen if past == screen.past else show_stage(screen, past)
        if (place := row_of(target, path)) is not None:
            trail = remember(screen).trail
            there = target._replace(trail=trail, view=place[0].name, focus=state.VIEW).at(place[1])
            found = found or there
            if (row := selected(there)) is not None and row.path == path:
                return there
    return found or screen._replace(message=f"no view shows {path}")
