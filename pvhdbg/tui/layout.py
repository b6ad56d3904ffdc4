"""How the screen is shared out among the panes, for a size and for what has the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.tui import state

if TYPE_CHECKING:
    from pvhdbg.tui.state import Screen

BELOW = 2
"""Lines of the screen that are no part of the frame: the prompt and the legend."""
LEAST_WIDTH, LEAST_HEIGHT = 60, 16 - BELOW
BESIDE = 200
"""From this width on there are two views side by side."""

_STATE, _BORDERS = 2, 3


class Layout(NamedTuple):
    """Lines of each pane, without the borders between them; `beside` is the width of the second view, 0 without one."""

    width: int
    view: int
    strip: int
    detail: int
    output: int
    beside: int

    @property
    def inner(self) -> int:
        """The width of the view, within its frame."""
        return self.width - 2 - (self.beside + 1 if self.beside else 0)


def layout(screen: Screen, width: int, height: int) -> Layout:
    """The panes of a frame of this size. The pane of gdb's output grows while it has the focus."""
    detail = _detail(height + BELOW)
    strip = _strip(height + BELOW) if screen.view != state.MEMORY else 0
    room = height - _STATE - _BORDERS - detail - strip - (1 if strip else 0)
    large = room - max(room * 2 // 7, 2)
    view = room - large if screen.focus == state.OUTPUT else large
    beside = width * 2 // 5 if width >= BESIDE and screen.view != state.CODE else 0
    return Layout(width, view, strip, detail, room - view, beside)


def is_too_small(width: int, height: int) -> bool:
    return width < LEAST_WIDTH or height < LEAST_HEIGHT


def _detail(lines: int) -> int:
    """The detail's share of a screen of so many lines."""
    return next(share for least, share in ((50, 6), (40, 5), (36, 4), (30, 3), (0, 1)) if lines >= least)


def _strip(lines: int) -> int:
    return next(share for least, share in ((36, 4), (30, 3), (0, 0)) if lines >= least)
