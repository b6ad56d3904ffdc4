"""The whole screen above the prompt: (Screen, size) -> lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.draw import boxes, context_strip, detail, memory_pane, panes, state_lines, text_lines
from pvhdbg.tui.draw.layout import BELOW, LEAST_HEIGHT, LEAST_WIDTH, is_too_small, is_zoomed, layout
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean, fit, length
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.kept import SELECTION, TYPED, kept
from pvhdbg.tui.views import shown, table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    from pvhdbg.tui.draw.layout import Layout
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Popup, Screen, ViewPosition
    from pvhdbg.tui.views.view import View

    T = TypeVar("T")

__all__ = [
    "card_size",
    "clamp",
    "cursor",
    "detail_last",
    "detail_visible",
    "frame",
    "output_visible",
    "rows",
    "sized",
    "visible",
]

rows = shown.rows
cursor = shown.cursor


def frame(screen: Screen, width: int, height: int) -> list[Line]:
    """Draw exactly `height` lines of `width` cells. The prompt and the legend follow below."""
    if is_too_small(width, height):
        return _too_small(width, height)
    plan, clamped = layout(screen, width, height), clamp(screen, width, height)
    lines = [
        state_lines.state_line(clamped, width),
        state_lines.timeline(clamped, width),
        *context_strip.lines(clamped, width, plan.context),
        boxes.top(clamped, plan),
        *_views(clamped, plan),
        *_strip(clamped, plan),
        *_detail(clamped, plan),
        *_card(clamped, plan),
        *_output(clamped, plan),
    ]
    return lines if screen.popup is None else _with_popup(clamped, lines)


def _fitted(screen: Screen, plan: Layout, lines: list[Line]) -> list[Line]:
    """Cut or fill lines to the width of the frame."""
    more = signs(screen.ascii).more
    return [fit(line, plan.width, more) for line in lines]


def sized(screen: Screen, width: int, height: int) -> Screen:
    """Note the width of the pane with the view: the rows of some views depend on it."""
    return screen._replace(columns=layout(screen, width, height).inner)


def visible(screen: Screen, width: int, height: int) -> int:
    """Return how many rows of the view are visible."""
    plan = layout(screen, width, height)
    return panes.rows_visible(screen, plan.inner, plan.chosen)


def detail_visible(screen: Screen, width: int, height: int) -> int:
    """Return how many lines of the detail are visible."""
    return layout(screen, width, height).detail


def output_visible(screen: Screen, width: int, height: int) -> int:
    """Return how many lines of gdb's output are visible."""
    return layout(screen, width, height).output


def clamp(screen: Screen, width: int, height: int) -> Screen:
    """Select a row that exists, and scroll so that the row is visible and no pane is scrolled past its end."""
    screen = sized(screen, width, height)
    count, popup, view = visible(screen, width, height), screen.popup, table.shown(screen)
    if screen.view in screen.positions:
        window = panes.window(screen, len(rows(screen)), count)
        screen = screen.at(min(max(screen.position.cursor, 0), max(len(rows(screen)) - 1, 0)), window.start)
    if view.text:
        screen = screen.text_at(_top(screen.text_top, len(view.lines_of(screen)), count))
    return screen._replace(
        output_top=_top(screen.output_top, len(screen.output), output_visible(screen, width, height)),
        detail_top=min(max(screen.detail_top, 0), detail_last(screen, width, height)),
        popup=popup and _clamped_popup(screen, popup, width, height),
    )


def _clamped_popup(screen: Screen, popup: Popup, width: int, height: int) -> Popup:
    from pvhdbg.tui.draw.popups import box  # not before the first picture, which has no popup

    return popup._replace(top=min(max(popup.top, 0), box.last_top(screen, popup, width, height)))


def _with_popup(screen: Screen, lines: list[Line]) -> list[Line]:
    from pvhdbg.tui.draw.popups import box

    return box.over(screen, lines)


def detail_last(screen: Screen, width: int, height: int) -> int:
    """Return the largest index that the detail's first visible line can have; 0 if the detail lacks the focus."""
    plan = layout(screen, width, height)
    return detail.last_top(screen, width - 2, plan.detail) if screen.focus == state.DETAIL else 0


def _top(top: int | None, count: int, shown: int) -> int | None:
    """Return the first visible line, or None at the end, so that new lines are followed."""
    return None if top is None or top >= count - shown else max(top, 0)


def _too_small(width: int, height: int) -> list[Line]:
    words = f"too small: {width}x{height + BELOW}, needs {LEAST_WIDTH}x{LEAST_HEIGHT + BELOW}"
    first = fit([(classes.TOO_SMALL, words)], width)
    return [first, *([("", " " * width)] for _ in range(height - 1))][:height]


def _views(screen: Screen, plan: Layout) -> list[Line]:
    """Draw the view and, if there is room, other views under it, and the code and the registers beside it."""
    if not plan.view:
        return []
    drawn = panes.view(screen, plan.inner, plan.chosen, is_chosen=True)
    for under in plan.under:
        drawn += [boxes.over(screen, plan, under.view), *_companion(screen, under.view, plan.inner, under.lines)]
    edge = (boxes.style(screen), boxes.box(screen).down)
    for pane in plan.beside:
        pairs = zip(drawn, _companion(screen, pane.view, pane.width, plan.view), strict=True)
        drawn = [[*left, edge, *right] for left, right in pairs]
    if plan.card_width:
        from pvhdbg.tui.draw.tour import card

        pairs = zip(drawn, card.visible(screen, plan.view, plan.card_width), strict=True)
        drawn = [[*left, edge, *right] for left, right in pairs]
    return [boxes.sides(screen, line) for line in drawn]


def _companion(screen: Screen, view: View, width: int, lines: int) -> list[Line]:
    """Draw a view beside or under the chosen one."""
    name = view.name
    positions, tops = _only(screen.positions, name), _only(screen.text_tops, name)
    return _kept_companion(screen, view, positions, tops, width, lines)


def _only(values: Mapping[str, T], name: str) -> dict[str, T]:
    return {name: values[name]} if name in values else {}


@kept(*SELECTION, *TYPED, "output_top", "view", "focus")
def _kept_companion(
    screen: Screen, view: View, positions: dict[str, ViewPosition], tops: dict[str, int], width: int, lines: int
) -> list[Line]:
    other = screen._replace(view=view.name, focus=state.PROMPT, columns=width, positions=positions, text_tops=tops)
    return panes.view(other, width, lines)


@kept(*SELECTION, *TYPED, "output_top")
def _strip(screen: Screen, plan: Layout) -> list[Line]:
    if not plan.strip:
        return []
    as_of, screen_of_map = table.MEMORY.as_of(screen), table.MEMORY.at_source(screen)
    strip = memory_pane.strip(screen_of_map, plan.width - 2, plan.strip)
    title: Line = [(classes.PANE_TITLE, " memory "), *([(classes.PAST, f" as of {as_of} ")] if as_of else [])]
    letters = memory_pane.letters(screen_of_map, plan.width - length(title) - 4, strip)
    title.append((classes.MARK, f" {letters} "))
    lines = [fit(strip[index] if index < len(strip) else [], plan.width - 2) for index in range(plan.strip)]
    drawn = [boxes.between(screen, plan, title), *(boxes.sides(screen, line) for line in lines)]
    return _fitted(screen, plan, drawn)


def _detail(screen: Screen, plan: Layout) -> list[Line]:
    if not plan.detail:
        return []
    width = plan.width - 2
    lines, title = detail.detail(screen, width, plan.detail), detail.title(screen, width, plan.detail)
    border = boxes.between(screen, plan, [(_pane_title(screen, state.DETAIL), f" {title} ")])
    return [*_fitted(screen, plan, [border]), *(boxes.sides(screen, line) for line in lines)]


def _card(screen: Screen, plan: Layout) -> list[Line]:
    """Draw the tour's card below the detail, if it is not beside the views."""
    if not plan.card:
        return []
    from pvhdbg.tui.draw.tour import card

    width = plan.width - 2
    title = boxes.between(screen, plan, card.title(screen, plan.card, width))
    lines = [title, *(boxes.sides(screen, line) for line in card.visible(screen, plan.card, width))]
    return _fitted(screen, plan, lines)


def card_size(screen: Screen, width: int, height: int) -> tuple[int, int]:
    """Return the number of lines and columns of the tour's card."""
    plan = layout(screen, width, height)
    return (plan.view, plan.card_width) if plan.card_width else (plan.card, plan.width - 2)


@kept(*SELECTION, "entry", "popup", "memory_request")
def _output(screen: Screen, plan: Layout) -> list[Line]:
    """Draw gdb's output without side borders, so that it can be copied from the terminal."""
    words = text_lines.wrapped(screen, screen.output, screen.output_top, plan.width, plan.output)
    lines: list[Line] = [[(_output_style(line), line)] for line in words]
    blank: list[Line] = [[]] * (plan.output - len(lines))
    below = [*blank, *lines] if screen.output_top is None else [*lines, *blank]
    border = boxes.between(screen, plan, _output_title(screen, plan), closes=True)
    return _fitted(screen, plan, [border, *below])


def _pane_title(screen: Screen, pane: str) -> str:
    return f"{classes.PANE_TITLE} {classes.BORDER_FOCUS}" if screen.focus == pane else classes.PANE_TITLE


def _output_style(line: str) -> str:
    return classes.OUTPUT_COMMAND if line.startswith("(gdb)") else classes.OUTPUT


def _output_title(screen: Screen, plan: Layout) -> Line:
    """Draw the pane's name, its scroll position, whether a pane is zoomed, and the message for the user."""
    top = screen.output_top
    where = "" if top is None else f"from line {top + 1} of {len(screen.output)} "
    title: Line = [(_pane_title(screen, state.OUTPUT), f" gdb {where}")]
    if is_zoomed(screen):
        title.append((classes.PANE_TITLE, " Z: show all panes "))
    if screen.message:
        title.append((classes.MESSAGE, f" {clean(screen.message)} "))
    return fit(title, min(length(title), plan.width - 2), signs(screen.ascii).more)
