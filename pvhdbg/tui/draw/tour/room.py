"""How much room the tour's card gets. This is known without the card's text, which needs more modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen

BESIDE = 120
"""The least number of columns at which the card is beside the views."""
_WIDEST, _SHARE = 58, 0.4
_MOST = 14
"""The most lines of a card below the views. It never gets more than half of the room."""


def is_shown(screen: Screen) -> bool:
    return screen.tour is not None and not screen.tour.is_hidden


def width_beside(screen: Screen, width: int) -> int:
    """Return the width of a card beside the views; 0 if it is below them, or if there is none."""
    return min(int(width * _SHARE), _WIDEST) if is_shown(screen) and width >= BESIDE else 0


def lines_below(screen: Screen, width: int, room: int) -> int:
    """Return the number of lines of a card below the views; 0 if it is beside them, or if there is none."""
    if not is_shown(screen) or width >= BESIDE:
        return 0
    from pvhdbg.tui.draw.tour.card import whole

    return max(min(len(whole(screen, width - 2)), _MOST, room // 2), 1)
