"""Go to what a card of the tour is about: its stage, its view, and its row or its address. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.teaching import values
from pvhdbg.teaching.tour.card_rows import row_index
from pvhdbg.tui.draw.tour.card import is_reached
from pvhdbg.tui.events.update import show_stage
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import MemoryRequest, ViewPosition
from pvhdbg.tui.views import shown, table

if TYPE_CHECKING:
    from pvhdbg.teaching.tour.chapter import Card
    from pvhdbg.tui.screen.state import Screen

MACHINE_WORD = 8
_ABOVE = 2
"""How many rows are shown above the row of a card: the text often names those below it."""


def arrived(screen: Screen) -> Screen:
    """After an event: go to the card's place, if the machine was on its way to it and is there now."""
    tour = screen.tour
    if tour is None or not tour.awaits:
        return screen
    if is_reached(screen):
        return show(screen)
    if tour.has_run and tour.boot == tour.shown.boot and screen.run.kind in (state.DEAD, state.ENDED):
        return screen._replace(tour=tour._replace(awaits=False))
    return screen


def show(screen: Screen) -> Screen:
    """Go to the place of the card, whose stage must be reached."""
    tour = screen.tour
    if tour is None:
        return screen
    card, stages = tour.shown, [stop.stage for stop in screen.history]
    past = stages.index(card.stage) if card.stage in stages else None
    if past is not None and screen.history[past] is screen.now:
        past = None
    if past != screen.past:
        screen = show_stage(screen, past)
    screen = screen._replace(tour=tour._replace(awaits=False), only_changes=False, detail_top=0, message="")
    return _at_address(_at_row(screen._replace(view=card.view or screen.view), card), card)


def _at_row(screen: Screen, card: Card) -> Screen:
    """Select the card's row or, without one, the first row, or where the view starts at each stop."""
    index = row_index(shown.rows(screen), card.row) if card.row else None
    if index is not None:
        return screen.at(index, max(index - _ABOVE, 0))
    kept = {name: position for name, position in screen.positions.items() if name != screen.view}
    starts = table.shown(screen).start_row is not None
    return screen._replace(positions=kept if starts else {**kept, screen.view: ViewPosition()})


def _at_address(screen: Screen, card: Card) -> Screen:
    """Show the card's address in the bytes view, or its translation in the paging view."""
    address = _value(screen, card, card.address)
    if address is None:
        return screen
    if table.shown(screen) is table.PAGING:
        return screen._replace(walked=address)
    size = _value(screen, card, card.size) or MACHINE_WORD
    return screen._replace(memory_request=MemoryRequest(f"p {address:#x}", size))


def _value(screen: Screen, card: Card, expression: str) -> int | None:
    """Return the value of a card's expression; None if it has no value in this boot."""
    try:
        found = values.value(expression, values.Boot(screen.history, screen.image, screen.machine), card.stage)
    except values.NotKnown:
        return None
    return found if isinstance(found, int) else None
