"""All rows or lines of the displayed view as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.draw import headings
from pvhdbg.tui.lines.line import clean, plain
from pvhdbg.tui.views import shown, table

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen

MOST = 2000
"""How many rows or lines are returned: terminals limit the size of their clipboard."""
_WIDTH = 400


def lines(screen: Screen) -> list[str]:
    """Return the heading and the rows or lines, without the borders."""
    view, rows = table.shown(screen), shown.rows(screen)
    if view.text:
        body = [clean(line, ascii=screen.ascii) for line in view.lines_of(screen)[-MOST:]]
    else:
        source = view.at_source(screen)
        body = [plain(line) for line in view.draw(source, rows, range(min(len(rows), MOST)), _WIDTH)] if rows else []
    return [plain(headings.heading(screen)).strip(), *(line.rstrip() for line in body)] if body else []
