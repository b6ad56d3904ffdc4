"""Rows as an HTML table: values that point somewhere are links, and so are the writers of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.views.page.anchors import link, row_id, who_id
from pvhdbg.views.page.shell import scrolling
from pvhdbg.views.pictures.markup import Element, element
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pvhdbg.views.page.anchors import Links
    from pvhdbg.views.rows.row import Row

MOST = 400
"""The most rows of a table."""
MOST_WRITERS = 4
"""The most writers of one field that its row names."""
_DEEPEST = 4


def row_table(title: str, rows: Sequence[Row], links: Links) -> Element:
    """Return a table with a row for each Row. It has a column for offsets, bytes or writers only if it has some."""
    shown = rows[:MOST]
    has_offsets, has_bytes = any(row.label for row in shown), any(row.raw for row in shown)
    offset, content = ["offset"] * has_offsets, ["bytes"] * has_bytes
    writers = ["last writer"] if links.answers else []
    headings = *offset, "name", "value", "meaning", *content, *writers
    lines = [_line(row, links, has_offsets=has_offsets, has_bytes=has_bytes) for row in shown]
    return table(title, headings, lines, len(rows) - MOST)


def table(title: str, headings: Iterable[str], lines: Iterable[Element], omitted: int = 0) -> Element:
    """Return a table that scrolls if it is too wide. `omitted` is how many lines the page does not have."""
    head = element("tr", *(element("th", heading, scope="col") for heading in headings))
    made = element("table", element("caption", title), element("thead", head), element("tbody", *lines))
    more = [element("p", f"… and {omitted} more", class_="quiet")] if omitted > 0 else []
    return scrolling(title, made, *more)


def _line(row: Row, links: Links, *, has_offsets: bool, has_bytes: bool) -> Element:
    name = element("th", row.name, scope="row", class_=f"depth-{min(row.depth, _DEEPEST)}")
    target = None if row.leads_to is None else links.places.get(row.leads_to)
    value = link(target, row.value) if target else row.value
    cells = [element("td", row.label)] if has_offsets else []
    cells += [name, element("td", value, class_="value"), element("td", row.meaning, class_="words")]
    if has_bytes:
        cells.append(element("td", text.hex_start(row.raw, 8), class_="quiet bytes"))
    if links.answers:
        cells.append(element("td", *_writer(row, links)))
    return element("tr", *cells, id=row_id(links.stop, row.path))


def _writer(row: Row, links: Links) -> list[Element]:
    """Return a link with the names of those who wrote the final bytes: several if each wrote only some of them."""
    answer = links.answers.get(row.path)
    if answer is None or not answer.last_writers:
        return []
    names = (writer.code.function if writer.code else writer.by for writer in answer.last_writers[:MOST_WRITERS])
    return [link(who_id(row.path), printable(", ".join(dict.fromkeys(names))))]
