"""The whole screen above the prompt, as lines. A pure function of the Screen and a size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.draw import boxes, detail, memory_pane, panes, popups, state_lines, text_lines
from pvhdbg.tui.draw.layout import BELOW, LEAST_HEIGHT, LEAST_WIDTH, is_too_small, layout
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean, fit, length
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import state
from pvhdbg.tui.views import shown, table
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from pvhdbg.tui.draw.layout import Layout
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen

__all__ = ["clamp", "cursor", "detail_last", "detail_visible", "frame", "output_visible", "rows", "visible"]

rows = shown.rows
cursor = shown.cursor


def frame(screen: Screen, width: int, height: int) -> list[Line]:
    """Exactly `height` lines of exactly `width` cells; the prompt and the legend come below them."""
    if is_too_small(width, height):
        return _too_small(width, height)
    plan, clamped = layout(screen, width, height), clamp(screen, width, height)
    lines = [
        state_lines.state_line(clamped, width),
        state_lines.timeline(clamped, width),
        boxes.top(clamped, plan),
        *_views(clamped, plan),
        *_strip(clamped, plan),
        *_detail(clamped, plan),
        *_output(clamped, plan),
    ]
    more = signs(screen.ascii).more
    return popups.over(clamped, [fit(line, width, more) for line in lines])


def visible(screen: Screen, width: int, height: int) -> int:
    """How many rows of the view are to be seen."""
    plan = layout(screen, width, height)
    return panes.rows_visible(screen, plan.inner, plan.view)


def detail_visible(screen: Screen, width: int, height: int) -> int:
    """How many lines of the detail are to be seen."""
    return layout(screen, width, height).detail


def output_visible(screen: Screen, width: int, height: int) -> int:
    """How many lines of gdb's output are to be seen."""
    return layout(screen, width, height).output


def clamp(screen: Screen, width: int, height: int) -> Screen:
    """With a selected row that exists and is visible, and no scrolling past an end."""
    count, popup, text = visible(screen, width, height), screen.popup, table.shown(screen).text
    if screen.view in screen.positions:
        window = panes.window(screen, len(rows(screen)), count)
        screen = screen.at(min(max(screen.position.cursor, 0), max(len(rows(screen)) - 1, 0)), window.start)
    if text:
        screen = screen.text_at(_top(screen.text_top, len(text(screen)), count))
    return screen._replace(
        output_top=_top(screen.output_top, len(screen.output), output_visible(screen, width, height)),
        detail_top=min(max(screen.detail_top, 0), detail_last(screen, width, height)),
        popup=popup and popup._replace(top=min(max(popup.top, 0), popups.last_top(popup, width, height))),
    )


def detail_last(screen: Screen, width: int, height: int) -> int:
    """The last line that can be the detail's first; the first one where it does not have the focus."""
    plan = layout(screen, width, height)
    return detail.last_top(screen, width - 2, plan.detail) if screen.focus == state.DETAIL else 0


def _top(top: int | None, count: int, shown: int) -> int | None:
    """Null at the end: then what comes is followed."""
    return None if top is None or top >= count - shown else max(top, 0)


def _too_small(width: int, height: int) -> list[Line]:
    words = f"too small: {width}x{height + BELOW} of at least {LEAST_WIDTH}x{LEAST_HEIGHT + BELOW}"
    first = fit([(classes.TOO_SMALL, words)], width)
    return [first, *([("", " " * width)] for _ in range(height - 1))][:height]


def _views(screen: Screen, plan: Layout) -> list[Line]:
    """The view that is chosen and, where there is room, the code beside it."""
    chosen = panes.view(screen, plan.inner, plan.view)
    if plan.beside:
        code = screen._replace(view=table.CODE.name, focus=state.PROMPT)
        edge = (boxes.style(screen), boxes.box(screen).down)
        pairs = zip(chosen, panes.view(code, plan.beside, plan.view), strict=True)
        chosen = [[*left, edge, *right] for left, right in pairs]
    return [boxes.sides(screen, line) for line in chosen]


def _strip(screen: Screen, plan: Layout) -> list[Line]:
    if not plan.strip:
        return []
    found = memory_pane.strip(screen, plan.width - 2, plan.strip)
    title: Line = [
        (classes.PANE_TITLE, " memory "),
        (classes.MARK, f" {memory_pane.letters(screen, plan.width - 12, found)} "),
    ]
    lines = [fit(found[at] if at < len(found) else [], plan.width - 2) for at in range(plan.strip)]
    return [boxes.between(screen, plan, title), *(boxes.sides(screen, each) for each in lines)]


def _detail(screen: Screen, plan: Layout) -> list[Line]:
    width = plan.width - 2
    lines, title = detail.detail(screen, width, plan.detail), detail.title(screen, width, plan.detail)
    return [
        boxes.between(screen, plan, [(_pane_title(screen, state.DETAIL), f" {title} ")]),
        *(boxes.sides(screen, each) for each in lines),
    ]


def _output(screen: Screen, plan: Layout) -> list[Line]:
    """What gdb printed, without a frame: it can be selected and copied as it is."""
    words = text_lines.wrapped(screen, screen.output, screen.output_top, plan.width, plan.output)
    lines: list[Line] = [[(_output_style(each), each)] for each in words]
    blank: list[Line] = [[]] * (plan.output - len(lines))
    below = [*blank, *lines] if screen.output_top is None else [*lines, *blank]
    return [boxes.between(screen, plan, _output_title(screen, plan), closes=True), *below]


def _pane_title(screen: Screen, pane: str) -> str:
    return f"{classes.PANE_TITLE} {classes.BORDER_FOCUS}" if screen.focus == pane else classes.PANE_TITLE


def _output_style(line: str) -> str:
    return classes.OUTPUT_COMMAND if line.startswith("(gdb)") else classes.OUTPUT


def _output_title(screen: Screen, plan: Layout) -> Line:
    """Its name; how far it is scrolled; what there is to say."""
    top = screen.output_top
    where = "" if top is None else f"from line {top + 1} of {text.counted(len(screen.output), 'line')} "
    title: Line = [(_pane_title(screen, state.OUTPUT), f" gdb {where}")]
    if screen.message:
        title.append((classes.MESSAGE, f" {clean(screen.message)} "))
    return fit(title, min(length(title), plan.width - 2), signs(screen.ascii).more)
