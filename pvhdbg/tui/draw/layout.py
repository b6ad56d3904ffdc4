"""How the panes share the terminal, depending on its size and on the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.tui.screen import state
from pvhdbg.tui.views import table

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen

BELOW = 2
"""Lines below the frame: the prompt and the legend."""
LEAST_WIDTH, LEAST_HEIGHT = 60, 16 - BELOW
BESIDE = 200
"""The least number of columns at which the code is drawn beside the view."""

_STATE, _BORDERS = 2, 3
_COMPACT = 30
"""If the terminal has fewer lines, the detail pane has only one, unless the view has the focus or shows findings."""
_LEAST_VIEW, _LEAST_OUTPUT = 3, 2
"""Lines that the view and the output pane keep while the detail pane has the focus."""


class Layout(NamedTuple):
    """The number of lines of each pane, without borders. `beside` is the width of the second view, or 0 without one."""

    width: int
    view: int
    strip: int
    detail: int
    output: int
    beside: int

    @property
    def inner(self) -> int:
        """The width of the view inside its frame."""
        return self.width - 2 - (self.beside + 1 if self.beside else 0)


def layout(screen: Screen, width: int, height: int) -> Layout:
    """Lay out a frame of this size. The pane with the focus gets more room."""
    view = table.shown(screen)
    strip = 0 if view.has_picture else _strip(height + BELOW)
    room = height - _STATE - _BORDERS - strip - (1 if strip else 0)
    detail, output = _below(screen, height + BELOW, room)
    beside = width * 2 // 5 if width >= BESIDE and view is not table.CODE else 0
    return Layout(width, room - detail - output, strip, detail, output, beside)


def is_too_small(width: int, height: int) -> bool:
    return width < LEAST_WIDTH or height < LEAST_HEIGHT


def _below(screen: Screen, lines: int, room: int) -> tuple[int, int]:
    """Return the number of lines of the detail and of the output.

    The detail gets more lines if the view has the focus, because the user then reads both.
    """
    both = room // 3 if lines < _COMPACT else room * 2 // 5
    most = max(both - _LEAST_OUTPUT, 1)
    detail = min(_share(lines), most)
    if screen.focus == state.DETAIL:
        return room - max(_LEAST_VIEW, room // 3) - _LEAST_OUTPUT, _LEAST_OUTPUT
    if screen.focus == state.VIEW or table.shown(screen).finding:
        detail = most
    return detail, room * 2 // 3 if screen.focus == state.OUTPUT else both - detail


def _share(lines: int) -> int:
    return next(share for least, share in ((50, 6), (40, 5), (36, 4), (_COMPACT, 3), (0, 1)) if lines >= least)


def _strip(lines: int) -> int:
    return next(share for least, share in ((45, 5), (36, 4), (30, 3), (0, 0)) if lines >= least)
