"""Memory to scale: the types of its ranges, and below them what lies where."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from pvhdbg.views.pictures.drawing import CHARACTER, LINE, MARGIN, Drawing
from pvhdbg.views.pictures.style import KINDS, kind_class
from pvhdbg.views.rows import memory_picture, picture_text, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.views.rows.memory_picture import Mark, Picture, Strip

BAR = 680
"""The width of a strip. Each of its cells is one unit wide."""
_BAR_HEIGHT, _LANE_HEIGHT, _NARROWEST = 30, 10, 2
_WIDTH = BAR + 2 * MARGIN + 316
_TITLE = "Memory to scale"

Placed = tuple["Mark", int, int]
"""A mark, with its first and last cell."""


def as_text(capture: Capture, image: ImageFacts | None) -> list[str]:
    """Return the picture as lines of characters."""
    heading = f"{_TITLE}, at stage {capture.stage}"
    return [heading, "", *picture_text.render(memory_picture.of_capture(capture, image), indent=0)]


def draw(capture: Capture, image: ImageFacts | None) -> Drawing:
    """Draw up to three strips: the first MiB, the RAM below 4 GiB, and the RAM above."""
    picture = memory_picture.of_capture(capture, image, BAR)
    described = "; ".join(f"{mark.name} {text.span(mark.start, mark.end)}" for mark in _shown(picture.marks))
    drawing = Drawing("memory", _TITLE, described, _WIDTH)
    drawing.label(MARGIN, MARGIN + 8, f"{_TITLE}, at stage {capture.stage}", "title")
    y = float(MARGIN + 2 * LINE)
    for strip in picture.strips:
        y = _strip(drawing, strip, y)
    _legend(drawing, picture, y)
    return drawing


def _shown(marks: Sequence[Mark]) -> list[Mark]:
    """Leave out the modules after the first few: a guest may have thousands."""
    modules = [mark for mark in marks if mark.letter == "m"]
    return [mark for mark in marks if mark.letter != "m"] + modules[: picture_text.NAMED]


def _strip(drawing: Drawing, strip: Strip, top: float) -> float:
    """Draw a strip below `top`; return where the next one begins."""
    per_cell = text.size(max((strip.end - strip.start) // BAR, 1))
    heading = f"{text.scale_label(strip.start)} to {text.scale_label(strip.end)}, one pixel is about {per_cell}"
    drawing.label(MARGIN, top, heading, "quiet")
    bar = top + LINE + 10
    _scale(drawing, strip, bar)
    _kinds(drawing, strip, bar)
    shown = _shown([mark for mark, _, _ in strip.marks])
    placed = sorted((item for item in strip.marks if item[0] in shown), key=lambda item: item[1:])
    return _marks(drawing, placed, bar + _BAR_HEIGHT + 3) + LINE


def _scale(drawing: Drawing, strip: Strip, bar: float) -> None:
    length, last_end = strip.end - strip.start, 0.0
    for address in (strip.start, *picture_text.ticks(strip), strip.end):
        x = MARGIN + (address - strip.start) * BAR / length
        label = text.scale_label(address)
        if x >= last_end and (address in (strip.start, strip.end) or x < MARGIN + BAR - len(label) * CHARACTER - 30):
            drawing.line([(x, bar - 5), (x, bar)], "axis")
            drawing.label(x, bar - 8, label, "quiet")
            last_end = x + (len(label) + 1) * CHARACTER


def _kinds(drawing: Drawing, strip: Strip, bar: float) -> None:
    x = 0
    for kind, cells in groupby(strip.cells):
        width = len(list(cells))
        drawing.box(MARGIN + x, bar, width, _BAR_HEIGHT, kind_class(kind))
        if width > (len(kind) + 1) * CHARACTER:
            drawing.label(MARGIN + x + width / 2, bar + 19, kind, anchor="middle")
        x += width
    drawing.box(MARGIN, bar, BAR, _BAR_HEIGHT, "edge")


def _marks(drawing: Drawing, placed: Sequence[Placed], top: float) -> float:
    """Draw the marks and their labels; return the first free line.

    The label of a mark is to the right of its address. It is below the labels of the marks that begin above it, so no
    leader crosses a label.
    """
    rows = _rows(placed)
    for (mark, first, last), row in zip(placed, rows, strict=True):
        x, y = MARGIN + first, top + _LANE_HEIGHT + (row + 1) * LINE
        drawing.box(x, top, max(last - first + 1, _NARROWEST), _LANE_HEIGHT, "place")
        drawing.line([(x + 0.5, top), (x + 0.5, y)], "leader")
        drawing.label(x + 5, y, _label(mark))
    return top + _LANE_HEIGHT + (max(rows, default=-1) + 2) * LINE


def _rows(placed: Sequence[Placed]) -> list[int]:
    """Return the row of each label, so that no label covers another, or the leader of another."""
    rows = [0] * len(placed)
    for at in reversed(range(len(placed))):
        mark, first, _ = placed[at]
        end = first + 5 + (len(_label(mark)) + 1) * CHARACTER
        covered = [rows[right] for right in range(at + 1, len(placed)) if placed[right][1] < end]
        rows[at] = max(covered, default=-1) + 1
    return rows


def _label(mark: Mark) -> str:
    return f"{mark.name} at {text.address(mark.start)}, {text.size(mark.end - mark.start)}"


def _legend(drawing: Drawing, picture: Picture, y: float) -> None:
    used = {kind for strip in picture.strips for kind in strip.cells}
    x = float(MARGIN)
    for kind in KINDS:
        if kind in used:
            drawing.box(x, y - 11, 14, 14, f"{kind_class(kind)} framed")
            drawing.label(x + 20, y, kind)
            x += 20 + (len(kind) + 2) * CHARACTER
    more = sum(mark.letter == "m" for mark in picture.marks) - picture_text.NAMED
    words = [f"and {more} more modules"] if more > 0 else []
    drawing.lines(MARGIN, y + LINE + 4, [*words, *picture_text.outside_lines(picture)], "quiet")
