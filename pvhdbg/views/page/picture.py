"""A page with one picture, and the same as text, which can be searched and copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.views.page.shell import page, scrolling
from pvhdbg.views.pictures.markup import element

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.views.pictures.drawing import Drawing
    from pvhdbg.views.pictures.markup import Element

_LANDSCAPE = """
@page { size: A4 landscape; margin: 12mm; }
@media print { h1 { font-size: 13pt; margin: 0; } p { margin: 0; } svg { max-height: 150mm; width: auto; } }
"""


def picture_page(drawing: Drawing, lines: Sequence[str], subject: str) -> str:
    """Return the page. `lines` is the picture as text, `subject` names the kernel."""
    body = [
        element("h1", drawing.title),
        element("p", element("code", subject)),
        figure(drawing),
        element(
            "details",
            element("summary", "The same as text"),
            scrolling("the picture as text", element("pre", "\n".join(lines))),
        ),
    ]
    return page(f"{drawing.title}: {subject}", [element("main", *body)], _LANDSCAPE)


def figure(drawing: Drawing) -> Element:
    """Return a picture for use in a page."""
    return element("figure", scrolling(drawing.title, drawing.svg(is_file=False)))
