"""Boxes of fields with arrows between them: as data, as lines of text, and drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.pictures.drawing import CHARACTER, GAP, LINE, MARGIN, Drawing

if TYPE_CHECKING:
    from collections.abc import Sequence

_BETWEEN_BOXES, _LANE = 18, 8
_INSIDE = 9
"""The space between the edge of a box and its text."""


class Line(NamedTuple):
    """A line of a box. `leads_to` is the key of the box that its value points to; None if it points to none."""

    words: str
    leads_to: str | None = None


class Box(NamedTuple):
    """A named box. `column` is its place from the left. If `is_missing` is set, it stands for something unreadable."""

    key: str
    title: str
    lines: tuple[Line, ...]
    column: int
    is_missing: bool = False

    @property
    def width(self) -> float:
        return max(map(len, (self.title, *(line.words for line in self.lines)))) * CHARACTER + 2 * _INSIDE

    @property
    def height(self) -> float:
        return (len(self.lines) + 1) * LINE + _INSIDE


class _Place(NamedTuple):
    box: Box
    x: float
    y: float
    width: float


def as_text(boxes: Sequence[Box], title: str) -> list[str]:
    """Return the boxes one below the other. Each arrow is written as `-> TITLE`."""
    titles = {box.key: box.title for box in boxes}
    lines = [title]
    for box in boxes:
        lines += ["", box.title]
        lines += [f"  {line.words}{_arrow_text(line, titles)}" for line in box.lines]
    return lines


def _arrow_text(line: Line, titles: dict[str, str]) -> str:
    return f" -> {titles[line.leads_to]}" if line.leads_to in titles else ""


def draw(boxes: Sequence[Box], name: str, title: str) -> Drawing:
    """Draw the boxes in columns, in their order from the top, and an arrow for each line that leads to a box.

    An arrow past other columns has a lane above all boxes.
    """
    lanes = _lanes(boxes)
    places = {place.box.key: place for place in _arrange(boxes, len(lanes))}
    width = max((place.x + place.width for place in places.values()), default=0.0) + MARGIN
    described = "; ".join(box.title for box in boxes)
    drawing = Drawing(name, title, described, max(width, len(title) * CHARACTER + 2 * MARGIN))
    drawing.label(MARGIN, MARGIN + 8, title, "title")
    for place in places.values():
        _draw_box(drawing, place)
    for place in places.values():
        for at, line in enumerate(place.box.lines):
            if line.leads_to in places:
                _draw_arrow(drawing, place, at, places[line.leads_to], lanes.get((place.box.key, at)))
    return drawing


def _lanes(boxes: Sequence[Box]) -> dict[tuple[str, int], float]:
    """Return the height of the lane of each arrow that goes past a column, by its box and the number of its line."""
    columns = sorted({box.column for box in boxes})
    number = {box.key: columns.index(box.column) for box in boxes}
    past = [
        (box.key, at)
        for box in boxes
        for at, line in enumerate(box.lines)
        if line.leads_to in number and number[line.leads_to] > number[box.key] + 1
    ]
    return {arrow: MARGIN + LINE + 5.0 + index * _LANE for index, arrow in enumerate(past)}


def _arrange(boxes: Sequence[Box], lanes: int) -> list[_Place]:
    columns = sorted({box.column for box in boxes})
    places, x = [], float(MARGIN)
    for column in columns:
        in_column = [box for box in boxes if box.column == column]
        width, y = max(box.width for box in in_column), float(MARGIN + 2 * LINE + lanes * _LANE)
        for box in in_column:
            places.append(_Place(box, x, y, width))
            y += box.height + _BETWEEN_BOXES
        x += width + GAP
    return places


def _draw_box(drawing: Drawing, place: _Place) -> None:
    box, x, y, width = place
    drawing.box(x, y, width, box.height, "bad-box" if box.is_missing else "box")
    if not box.is_missing:
        drawing.box(x, y, width, LINE + 3, "head framed")
    drawing.label(x + _INSIDE, y + LINE - 3, box.title, "title")
    drawing.lines(x + _INSIDE, y + 2 * LINE, [line.words for line in box.lines], "bad" if box.is_missing else "")


def _draw_arrow(drawing: Drawing, place: _Place, at: int, target: _Place, lane: float | None) -> None:
    """Draw an arrow from the right edge of a line to the title of another box, or down to a box in the same column."""
    start = place.x + place.width, place.y + (at + 2) * LINE - 4
    drawing.arrow(start, (target.x, target.y + LINE / 2 + 1), lane)
