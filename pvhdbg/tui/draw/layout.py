"""How the panes share the terminal, depending on its size, on what they hold and on the focus."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.draw import memory_pane, text_lines
from pvhdbg.tui.draw.detail import last_top
from pvhdbg.tui.draw.tour import room as tour_room
from pvhdbg.tui.events import news
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.views import shown, table
from pvhdbg.views.rows.row import NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import View

BELOW = 2
"""Lines below the frame: the prompt and the legend."""
LEAST_WIDTH, LEAST_HEIGHT = 60, 16 - BELOW
BESIDE = 160
"""The least number of columns at which the code and the registers are drawn beside the view."""

_STATE, _BORDERS = 2, 3
_COMPACT = 30
"""If the terminal has fewer lines, the context strip is left out."""
_LEAST_VIEW, _LEAST_OUTPUT = 3, 2
"""Lines that the view and the output pane keep while the detail pane has the focus."""
_LEAST_UNDER = 3
"""A view under the chosen one has at least this many lines, with its border."""
_CODE, _CPU = 30, 29
"""The width of the views beside the chosen one, in percent of the terminal."""
_BEFORE_FINDING = 24
"""The columns before the message of a finding."""
_TEXT_BESIDE = 190
"""The least number of columns at which lines of hex and of text have room beside both other views."""
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
    return _layout(ById(screen), width, height)


@lru_cache(8)
def _layout(by_id: ById[Screen], width: int, height: int) -> Layout:
    """Lay out a frame. This is cached, because a frame asks for its layout many times."""
    screen = by_id.value
    view = table.shown(screen)
    if is_zoomed(screen):
        return _zoomed(screen, width, height - _STATE - 2)
    strip = 0 if view.has_picture else _strip(screen, width, height + BELOW)
    context = _context(height + BELOW)
    room = height - _STATE - context - _BORDERS - strip - (1 if strip else 0)
    card_width, card_lines = tour_room.width_beside(screen, width), tour_room.lines_below(screen, width, room)
    room -= card_lines + 1 if card_lines else 0
    others = _others(screen) if width >= BESIDE and not card_width else []
    beside = _beside(view, width, others) if width >= BESIDE and not card_width else ()
    is_wide = bool(beside) or card_width > 0
    detail, output = _by_content(screen, width, room, _below(screen, height + BELOW, room), is_wide=is_wide)
    lines = room - detail - output + (0 if detail else 1)
    names = [pane.view.name for pane in beside]
    under = _under(screen, lines, [other for other in others if other.name not in names])
    return Layout(width, lines, strip, detail, output, context, beside, under, card_lines, card_width)


def is_zoomed(screen: Screen) -> bool:
    """Return whether one pane fills the screen. At the prompt, all panes are shown."""
    return screen.zoomed and screen.focus not in (state.PROMPT, state.CARD)


def is_too_small(width: int, height: int) -> bool:
    return width < LEAST_WIDTH or height < LEAST_HEIGHT


def _zoomed(screen: Screen, width: int, room: int) -> Layout:
    """Lay out a zoomed pane. Lines that a zoomed view does not need show the detail of its selected row."""
    if screen.focus == state.DETAIL:
        return Layout(width, 0, 0, room - 1, 0)
    if screen.focus == state.OUTPUT:
        return Layout(width, 0, 0, 0, room)
    spare = 0 if table.shown(screen).text else room - _filled(screen, room, wraps=True) - 1
    detail = min(spare, 2 * _MOST_DETAIL) if spare >= _LEAST_OUTPUT else 0
    return Layout(width, room - detail - (1 if detail else 0), 0, detail, 0)


def _others(screen: Screen) -> list[View]:
    """Return the views beside which, or under which, the chosen one is shown: those that have something to show.

    What is new at the displayed stop comes first, and what the stop no longer has comes last.
    """
    new, chosen = news.new_views(screen), table.shown(screen)
    listed = [view for view in table.COMPANIONS if view is not chosen and _has_content(screen, view)]

    def order(view: View) -> tuple[bool, bool]:
        return bool(view.captures) and not view.has_current_data(screen), view not in new

    return sorted(listed, key=order)


def _has_content(screen: Screen, view: View) -> bool:
    other = screen._replace(view=view.name)
    if view.text:
        return bool(view.lines_of(other))
    listed = shown.rows(other)
    return bool(listed) and not (len(listed) == 1 and listed[0].value == NOTHING)


def _beside(view: View, width: int, others: Sequence[View]) -> tuple[Beside, ...]:
    """Return the views beside the chosen one: the code and the registers.

    Their borders are at the same columns beside every view. The code itself also takes the columns of the code, and
    another view stands beside the registers.
    """
    code, registers = Beside(table.CODE, width * _CODE // 100), Beside(table.CPU, width * _CPU // 100)
    if view is table.CODE:
        return (registers,)
    if view is table.CPU:
        return (code, *(Beside(other, registers.width) for other in others[:1]))
    if (view.text or view is table.BYTES) and width < _TEXT_BESIDE:
        return (code,)
    return (code, registers)


def _under(screen: Screen, lines: int, others: Sequence[View]) -> tuple[Under, ...]:
    """Return the views for the lines that the chosen view does not fill."""
    if not others:
        return ()
    spare, under = lines - _filled(screen, lines, wraps=True), list[Under]()
    for view in others:
        if spare > _LEAST_UNDER:
            wanted = min(_filled(screen._replace(view=view.name), lines, is_chosen=False, wraps=True), spare - 1)
            under.append(Under(view, wanted))
            spare -= wanted + 1
    if under:
        under[-1] = under[-1]._replace(lines=under[-1].lines + max(spare, 0))
    return tuple(under)


def _by_content(screen: Screen, width: int, room: int, below: tuple[int, int], *, is_wide: bool) -> tuple[int, int]:
    """Return the number of lines of the detail and of the output, after the panes have shared what they do not need.

    Lines that the output does not fill go to the view. Lines that the view does not fill go to the detail, and then
    to the output. While the detail lacks the focus, the number of lines does not depend on the selected row, so the
    panes do not move with the cursor.
    """
    detail, output = below
    if table.shown(screen).text and screen.focus != state.DETAIL:
        detail = 0
    if screen.focus == state.DETAIL:
        detail = min(detail, max(last_top(screen, width - 2, 0), min(_MOST_DETAIL, room * 2 // 5)))
    if screen.focus != state.OUTPUT:
        output = min(output, _printed(screen, width, output, text_lines.without_old_answers(screen.output, output)))
    spare = room - detail - output - (room if is_wide else _filled(screen, room))
    more_detail = 0 if table.shown(screen).text else min(max(spare, 0), max(_MOST_DETAIL - detail, 0))
    spare = max(spare - more_detail, 0)
    more_output = _printed(screen, width, output + spare, screen.output) - output if spare else 0
    return detail + more_detail, output + max(more_output, 0)


def _printed(screen: Screen, width: int, most: int, output: Sequence[str]) -> int:
    """Return how many lines gdb's output fills, up to `most`."""
    return len(text_lines.wrapped(screen, output, None, width, most)) if most > 0 else 0


def _filled(screen: Screen, room: int, *, is_chosen: bool = True, wraps: bool = False) -> int:
    """Return how many lines the view can fill. Code and pictures fill any number. Findings may be wrapped."""
    view = table.shown(screen)
    if (view.has_picture and is_chosen) or view in (table.CODE, table.BYTES):
        return room
    if view.text:
        return 1 + max(len(text_lines.wrapped(screen, view.lines_of(screen), None, screen.columns - 1, room)), 1)
    listed = shown.rows(screen)
    if wraps and view.finding:
        width = max(screen.columns - _BEFORE_FINDING, 1)
        return 1 + sum(len(row.meaning) // width + 1 for row in listed)
    return 1 + max(len(listed), 1)


def _below(screen: Screen, lines: int, room: int) -> tuple[int, int]:
    """Return the largest number of lines of the detail and of the output, whatever they hold.

    The detail gets more lines if the view has the focus, because the user then reads both.
    """
    both = room * 2 // 5
    most = max(both - _LEAST_OUTPUT, 1)
    detail = min(_share(lines), most)
    if screen.focus == state.DETAIL:
        return room - max(_LEAST_VIEW, room // 3) - _LEAST_OUTPUT, _LEAST_OUTPUT
    if screen.focus == state.VIEW or table.shown(screen).finding:
        detail = min(most, _MOST_DETAIL)
    return (1, room * 2 // 3) if screen.focus == state.OUTPUT else (detail, both - detail)


def _context(lines: int) -> int:
    return next(count for least, count in ((36, 2), (_COMPACT, 1), (0, 0)) if lines >= least)


def _share(lines: int) -> int:
    return next(share for least, share in ((50, 6), (40, 5), (36, 4), (0, 3)) if lines >= least)


def _strip(screen: Screen, width: int, lines: int) -> int:
    """Return the number of lines of the memory picture: no more than it needs, once there is one."""
    most = next(share for least, share in ((45, 5), (36, 4), (30, 3), (0, 0)) if lines >= least)
    if not most or screen.capture is None:
        return most
    return min(most, memory_pane.height(table.MEMORY.at_source(screen), width - 2))
