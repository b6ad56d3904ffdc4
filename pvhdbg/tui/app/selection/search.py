"""Search the displayed view for a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.draw import frame
from pvhdbg.tui.views import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.views.rows.row import Row


def search(screen: Screen, text: str) -> Screen:
    """Go to the next row or line that contains the text, ignoring case. After the last one, continue with the first."""
    screen, view = screen._replace(search_text=text), table.shown(screen)
    if view.text is None:
        found = _next_with(text, [_searched_text(row) for row in frame.rows(screen)], frame.cursor(screen))
        shown = screen if found is None else screen.at(found)
    else:
        lines, top = view.lines_of(screen), screen.text_top
        found = _next_with(text, lines, -1 if top is None else top)
        shown = screen if found is None else screen.text_at(found)._replace(message=f"line {found + 1} of {len(lines)}")
    return screen._replace(message=f"not found in this view: {text}") if found is None else shown


def _next_with(text: str, lines: Sequence[str], after: int) -> int | None:
    """Return the index of the next line after `after` that contains the text; after the last one, of the first."""
    order = (*range(after + 1, len(lines)), *range(min(after + 1, len(lines))))
    return next((index for index in order if text.casefold() in lines[index].casefold()), None)


def _searched_text(row: Row) -> str:
    return " ".join((row.name, row.value, row.meaning, *row.columns))
