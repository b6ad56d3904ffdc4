"""How the panes share the terminal, depending on its size, on what they hold and on the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.draw import text_lines
from pvhdbg.tui.draw.tour import room as tour_room
from pvhdbg.tui.screen import state
from pvhdbg.tui.views import shown, table

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import View

BELOW = 2
"""Lines below the frame: the prompt and the legend."""
LEAST_WIDTH, LEAST_HEIGHT = 60, 16 - BELOW
BESIDE = 160
"""The least number of columns at which the code and the registers are drawn beside the view."""

_STATE, _BORDERS = 2, 3
_COMPACT = 30
"""If the terminal has fewer lines, the detail pane has only one, unless the view has the focus or shows findings."""
_LEAST_VIEW, _LEAST_OUTPUT = 3, 2
"""Lines that the view and the output pane keep while the detail pane has the focus."""
_LEAST_UNDER = 3
"""A view under the chosen one has at least this many lines, with its border."""
_MOST_DETAIL = 8
"""The detail pane gets lines that the other panes do not need up to this number: most explanations are no longer."""


class Size(NamedTuple):
    """The size of the panes in cells, without the prompt and the legend."""

    width: int
    height: int


class Beside(NamedTuple):
    """A view beside the chosen one."""

    view: View
    width: int


class Under(NamedTuple):
    """A view under the chosen one, in its column. `lines` does not count the border above it."""

    view: View
    lines: int


class Layout(NamedTuple):
    """The number of lines of each pane, without borders. A pane without lines has no border above it either, except
    the view and the output. `view` counts the views under the chosen one and their borders.
    """

    width: int
    view: int
    strip: int
    detail: int
    output: int
    context: int = 0
    """The lines of the context strip, under the two lines at the top."""
    beside: tuple[Beside, ...] = ()
    under: tuple[Under, ...] = ()
    card: int = 0
    """The lines of the tour's card below the detail; 0 if it is beside the views, `card_width` wide."""
    card_width: int = 0

    @property
    def chosen(self) -> int:
        """The number of lines of the chosen view."""
        return self.view - sum(pane.lines + 1 for pane in self.under)

    @property
    def inner(self) -> int:
        """The width of the view inside its frame."""
        card = self.card_width + 1 if self.card_width else 0
        return self.width - 2 - card - sum(pane.width + 1 for pane in self.beside)


def layout(screen: Screen, width: int, height: int) -> Layout:
    """Lay out a frame of this size. The pane with the focus gets more room, or all of it if it is zoomed."""
    view = table.shown(screen)
    if is_zoomed(screen):
        return _zoomed(screen, width, height - _STATE - 2)
    strip = 0 if view.has_picture else _strip(height + BELOW)
    context = _context(height + BELOW)
    room = height - _STATE - context - _BORDERS - strip - (1 if strip else 0)
    card_width, card_lines = tour_room.width_beside(screen, width), tour_room.lines_below(screen, width, room)
    room -= card_lines + 1 if card_lines else 0
    beside = _beside(view, width) if width >= BESIDE and not card_width else ()
    is_wide = bool(beside) or card_width > 0
    detail, output = _by_content(screen, width, room, _below(screen, height + BELOW, room), is_wide=is_wide)
    lines = room - detail - output
    under = _under(screen, lines) if beside else ()
    return Layout(width, lines, strip, detail, output, context, beside, under, card_lines, card_width)


def is_zoomed(screen: Screen) -> bool:
    """Return whether one pane fills the screen. At the prompt, all panes are shown."""
    return screen.zoomed and screen.focus not in (state.PROMPT, state.CARD)


def is_too_small(width: int, height: int) -> bool:
    return width < LEAST_WIDTH or height < LEAST_HEIGHT


def _zoomed(screen: Screen, width: int, room: int) -> Layout:
    if screen.focus == state.DETAIL:
        return Layout(width, 0, 0, room - 1, 0)
    return Layout(width, 0, 0, 0, room) if screen.focus == state.OUTPUT else Layout(width, room, 0, 0, 0)


def _beside(view: View, width: int) -> tuple[Beside, ...]:
    """Return the views beside the chosen one. Lines of hex and of text need so many columns that no registers fit."""
    code, registers = Beside(table.CODE, width // 3), Beside(table.CPU, width // 4)
    if view.text or view is table.BYTES:
        return (code,)
    return tuple(pane for pane in (code, registers) if pane.view is not view)


def _under(screen: Screen, lines: int) -> tuple[Under, ...]:
    """Return the views for the lines that the chosen view does not fill: those with rows, then the serial output."""
    spare, under = lines - _filled(screen, lines), list[Under]()
    for view in table.COMPANIONS:
        other = screen._replace(view=view.name)
        has_content = view is table.COMPANIONS[-1] or bool(shown.rows(other))
        if view is not table.shown(screen) and has_content and spare > _LEAST_UNDER:
            wanted = min(_filled(other, lines), spare - 1) if view is not table.COMPANIONS[-1] else spare - 1
            under.append(Under(view, wanted))
            spare -= wanted + 1
    return tuple(under)


def _by_content(screen: Screen, width: int, room: int, below: tuple[int, int], *, is_wide: bool) -> tuple[int, int]:
    """Return the number of lines of the detail and of the output, after the panes have shared what they do not need.

    Lines that the output does not fill go to the view. Lines that the view does not fill go to the detail, and then
    to the output. The number of lines does not depend on the selected row, so the panes do not move with the cursor.
    """
    detail, output = below
    if screen.focus not in (state.DETAIL, state.OUTPUT):
        output = min(output, _printed(screen, width, output))
    spare = room - detail - output - (room if is_wide else _filled(screen, room))
    more_detail = 0 if table.shown(screen).text else min(max(spare, 0), max(_MOST_DETAIL - detail, 0))
    spare = max(spare - more_detail, 0)
    more_output = _printed(screen, width, output + spare) - output if spare else 0
    return detail + more_detail, output + max(more_output, 0)


def _printed(screen: Screen, width: int, most: int) -> int:
    """Return how many lines gdb's output fills, up to `most`."""
    return len(text_lines.wrapped(screen, screen.output, None, width, most)) if most > 0 else 0


def _filled(screen: Screen, room: int) -> int:
    """Return how many lines the view can fill. Code and pictures fill any number."""
    view = table.shown(screen)
    if view.has_picture or view in (table.CODE, table.BYTES):
        return room
    if view.text:
        return 1 + max(len(text_lines.wrapped(screen, view.lines_of(screen), None, screen.columns - 1, room)), 1)
    return 1 + max(len(shown.rows(screen)), 1)


def _below(screen: Screen, lines: int, room: int) -> tuple[int, int]:
    """Return the largest number of lines of the detail and of the output, whatever they hold.

    The detail gets more lines if the view has the focus, because the user then reads both.
    """
    both = room // 3 if lines < _COMPACT else room * 2 // 5
    most = max(both - _LEAST_OUTPUT, 1)
    detail = min(_share(lines), most)
    if screen.focus == state.DETAIL:
        return room - max(_LEAST_VIEW, room // 3) - _LEAST_OUTPUT, _LEAST_OUTPUT
    if (screen.focus == state.VIEW and not table.shown(screen).text) or table.shown(screen).finding:
        detail = most
    return detail, room * 2 // 3 if screen.focus == state.OUTPUT else both - detail


def _context(lines: int) -> int:
    return next(count for least, count in ((36, 2), (_COMPACT, 1), (0, 0)) if lines >= least)


def _share(lines: int) -> int:
    return next(share for least, share in ((50, 6), (40, 5), (36, 4), (_COMPACT, 3), (0, 1)) if lines >= least)


def _strip(lines: int) -> int:
    return next(share for least, share in ((45, 5), (36, 4), (30, 3), (0, 0)) if lines >= least)
