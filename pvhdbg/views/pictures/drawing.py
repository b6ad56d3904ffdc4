"""A sheet with boxes, labels and arrows, which becomes an SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.views.pictures import style
from pvhdbg.views.pictures.markup import SVG_NAMESPACE, element, verbatim

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pvhdbg.views.pictures.markup import Element

LINE = 17
"""The height of a line of text, in the SVG's units."""
CHARACTER = 7.3
"""The width of a character: 12 px of a monospaced font have 7.2 px or a little more."""
MARGIN, GAP = 14, 54
"""The space around the sheet, and between two columns of boxes, in which an arrow goes up to its lane or down."""


class Drawing:
    """A sheet of `width` units. `name` identifies it among the pictures of one page. Later shapes cover earlier ones.

    `title` and `text` describe the picture for a reader who does not see it.
    """

    def __init__(self, name: str, title: str, text: str, width: float) -> None:
        self.name, self.title, self.text = name, title, text
        self.width, self.height = width, 0.0
        self._shapes: list[Element] = []
        self._has_arrows = False

    def box(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        """Draw a rectangle. `kind` is its CSS class."""
        self._shapes.append(element("rect", x=x, y=y, width=width, height=height, class_=kind))
        self._grow(y + height)

    def label(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> None:
        """Write one line of text; `y` is its base line."""
        attributes = {"class_": kind} if kind else {}
        if anchor != "start":
            attributes["text_anchor"] = anchor
        self._shapes.append(element("text", words, x=x, y=y, **attributes))
        self._grow(y + 4)

    def lines(self, x: float, y: float, words: Iterable[str], kind: str = "") -> float:
        """Write several lines; return the base line of the next one."""
        for line in words:
            self.label(x, y, line, kind)
            y += LINE
        return y

    def line(self, points: Iterable[tuple[float, float]], kind: str) -> None:
        corners = " ".join(f"{x:.6g},{y:.6g}" for x, y in points)
        self._shapes.append(element("polyline", points=corners, class_=f"edge {kind}"))

    def dot(self, x: float, y: float, kind: str) -> None:
        self._shapes.append(element("circle", cx=x, cy=y, r=6, class_=kind))

    def arrow(self, start: tuple[float, float], end: tuple[float, float], lane: float | None = None) -> None:
        """Draw a curve from left to right, which ends in an arrowhead. With `lane`, it is at that height in between."""
        (x, y), (to_x, to_y) = start, end
        bend = max((to_x - x) / 2, 16)
        path = f"M{x:.6g},{y:.6g} "
        if lane is None:
            path += f"C{x + bend:.6g},{y:.6g} {to_x - bend:.6g},{to_y:.6g} {to_x:.6g},{to_y:.6g}"
        else:
            up, down = x + GAP / 2, to_x - GAP / 2
            path += f"C{up:.6g},{y:.6g} {x:.6g},{lane:.6g} {up:.6g},{lane:.6g} L{down:.6g},{lane:.6g} "
            path += f"C{to_x:.6g},{lane:.6g} {down:.6g},{to_y:.6g} {to_x:.6g},{to_y:.6g}"
        self._shapes.append(element("path", d=path, class_="arrow", marker_end=f"url(#{self.name}-tip)"))
        self._has_arrows = True

    def _grow(self, bottom: float) -> None:
        self.height = max(self.height, bottom)

    def svg(self, *, is_file: bool) -> Element:
        """Return the picture. A file needs its own namespace and style; a page has one style for all its pictures."""
        height = self.height + MARGIN
        box = f"0 0 {self.width:.6g} {height:.6g}"
        svg = element("svg", viewBox=box, width=self.width, height=height, role="img")
        svg.set("aria-labelledby", f"{self.name}-title {self.name}-desc")
        svg.append(element("title", self.title, id=f"{self.name}-title"))
        svg.append(element("desc", self.text, id=f"{self.name}-desc"))
        if is_file:
            svg.set("xmlns", SVG_NAMESPACE)
            svg.append(verbatim("style", style.css()))
        if self._has_arrows:
            svg.append(element("defs", self._tip()))
        svg.append(element("rect", width=self.width, height=height, class_="page"))
        svg.extend(self._shapes)
        return svg

    def _tip(self) -> Element:
        tip = element("path", d="M0,0 L9,4.5 L0,9 z", class_="tip")
        return element(
            "marker",
            tip,
            id=f"{self.name}-tip",
            markerWidth=9,
            markerHeight=9,
            refX=8.5,
            refY=4.5,
            orient="auto",
            markerUnits="userSpaceOnUse",
        )
