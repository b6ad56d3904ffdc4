"""Read pictures again, with another XML parser."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from xml.dom import minidom

from pvhdbg.views.pictures.drawing import CHARACTER
from pvhdbg.views.pictures.markup import to_svg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.views.pictures.drawing import Drawing


class Rect(NamedTuple):
    """A rectangle, and its CSS classes or its text."""

    x: float
    y: float
    width: float
    height: float
    words: str

    def covers(self, other: Rect) -> bool:
        """Return whether two rectangles share any point."""
        is_beside = self.x + self.width <= other.x or other.x + other.width <= self.x
        return not (is_beside or self.y + self.height <= other.y or other.y + other.height <= self.y)


def elements(drawing: Drawing, tag: str) -> list[minidom.Element]:
    """Return the elements with this tag of a picture's file."""
    return list(minidom.parseString(to_svg(drawing.svg(is_file=True))).getElementsByTagName(tag))


def boxes(drawing: Drawing, kind: str) -> list[Rect]:
    """Return the rectangles of a class."""
    return [box for box in map(_rect, elements(drawing, "rect")) if kind in box.words.split()]


def _rect(node: minidom.Element) -> Rect:
    x, y, width, height = (float(node.getAttribute(name) or 0) for name in ("x", "y", "width", "height"))
    return Rect(x, y, width, height, node.getAttribute("class"))


def labels(drawing: Drawing) -> Iterator[Rect]:
    """Yield each text with the space that it takes."""
    for node in elements(drawing, "text"):
        words = node.firstChild.data if isinstance(node.firstChild, minidom.Text) else ""
        width = len(words) * CHARACTER
        shift = {"middle": width / 2, "end": width}.get(node.getAttribute("text-anchor"), 0)
        yield Rect(float(node.getAttribute("x")) - shift, float(node.getAttribute("y")) - 10, width, 12, words)


def overlapping(drawing: Drawing) -> list[tuple[str, str]]:
    """Return the pairs of texts that cover each other, and the texts that are not wholly on the sheet."""
    shown = list(labels(drawing))
    sheet = Rect(0, 0, drawing.width, drawing.height + 14, "sheet")
    pairs = [(one.words, two.words) for at, one in enumerate(shown) for two in shown[at + 1 :] if one.covers(two)]
    return pairs + [(one.words, "outside") for one in shown if one.x + one.width > sheet.width or one.y < 0]
