"""Memory drawn to scale: as a strip below a view, and beside or above the table of the memory view."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import groupby, islice, zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING

from pvhdbg.lazy_pattern import pattern
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import fit, length, plain
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.screen.memory_at import parts
from pvhdbg.views.rows import memory_picture, picture_text
from pvhdbg.views.rows.memory_picture import NOT_LISTED, Picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.views.rows.memory_picture import Mark, Strip

GAP, WIDE_GAP, WIDE = 6, 10, 100
"""Cells between two strips, and the least width for the wider gap. The label at a strip's end extends into the gap."""
USUAL = 2
"""The number of strips in a picture without RAM above 4 GiB."""
_SHORT = {", module 0": "", "module list": "modlist", "command line": "cmdline", "memory map": "map", " of these": ""}
_LONG = pattern("|".join(_SHORT))
_PICTURES = 32
"""How many pictures are remembered."""
HIDDEN = "+"
"""Stands for letters that don't fit."""


def strip(screen: Screen, width: int, lines: int) -> list[Line]:
    """Draw all of memory as one row of cells, with a scale above and letters below, and a bar between two strips.

    The two strips have different scales, and the gap between them is not memory.
    """
    capture = screen.capture
    if capture is None:
        return []
    sign = signs(screen.ascii)
    drawn, cells, gap = _strips(screen, capture, width)
    bar: Line = [(classes.BORDER, f"{sign.separator} ")]
    *strips, last = [_cut_below(part, lines) for part in drawn]

    def line(strip: list[Line], at: int, width: int) -> Line:
        return fit(strip[at] if at < len(strip) else [], width, sign.more)

    return [
        [
            ("", " "),
            *(part for strip in strips for part in (*line(strip, at, cells + gap - length(bar)), *bar)),
            *line(last, at, cells + gap),
        ]
        for at in range(lines)
    ]


def height(screen: Screen, width: int) -> int:
    """Return how many lines the strips need."""
    return max(map(len, _strips(screen, screen.capture, width)[0])) if screen.capture else 0


def _strips(screen: Screen, capture: Capture, width: int) -> tuple[list[list[Line]], int, int]:
    """Return the lines of each strip, the number of its cells, and the gap between two strips."""
    gap = WIDE_GAP if width >= WIDE else GAP
    cells = (width - 1) // USUAL - gap
    picture = _picture(screen, capture, cells)
    if len(picture.strips) != USUAL:
        cells = (width - 1) // len(picture.strips) - gap
        picture = _picture(screen, capture, cells)
    return _drawn_strips(ById(picture), cells, ascii=screen.ascii), cells, gap


@lru_cache(_PICTURES)
def _drawn_strips(picture: ById[Picture], cells: int, *, ascii: bool) -> list[list[Line]]:  # noqa: A002
    strips = picture.value.strips
    following = [*(part.start for part in strips[1:]), None]
    return [
        _without_end(_lines(part, ascii=ascii), cells) if part.end == start else _lines(part, ascii=ascii)
        for part, start in zip(strips, following, strict=True)
    ]


def _without_end(lines: list[Line], cells: int) -> list[Line]:
    """Leave out the label of the strip's end, which the next strip has at its start."""
    return [[(classes.SCALE, plain(lines[0])[: cells - 1])], *lines[1:]]


def _cut_below(lines: list[Line], count: int) -> list[Line]:
    """Keep the first `count` lines. In the last of them, HIDDEN stands for letters that are cut off below it."""
    hidden = [plain(line) for line in lines[count:]]
    if not hidden:
        return lines
    columns = zip_longest(plain(lines[count - 1]), *hidden, fillvalue=" ")
    marked = "".join(HIDDEN if any(letter != " " for letter in below) else shown for shown, *below in columns)
    return [*lines[: count - 1], [(classes.MARK, marked)]]


def stacked(screen: Screen, width: int, lines: int) -> list[Line]:
    """Draw the strips one above the other, followed by the explanation of the signs."""
    capture = screen.capture
    if capture is None:
        return []
    gap = WIDE_GAP if width >= WIDE else GAP
    drawn = _stacked(ById(_picture(screen, capture, width - gap)), width, ascii=screen.ascii)
    return [[*line] for line in drawn[:lines]]


@lru_cache(_PICTURES)
def _stacked(picture: ById[Picture], width: int, *, ascii: bool) -> list[Line]:  # noqa: A002  the name of the option
    drawn = [line for strip in picture.value.strips for line in _lines(strip, ascii=ascii)]
    legend = picture_text.legend(picture.value, ascii=ascii)
    if any(len(words) > width for words in legend):
        kinds, scale, *marks = map(_shorten, legend)
        legend = [kinds, *wrap(scale, width), *marks]
    return [*drawn, *([(classes.MEANING, words)] for words in legend)]


def _shorten(words: str) -> str:
    return _LONG.sub(lambda match: _SHORT[match[0]], re.sub("  +", "  ", words))


def letters(screen: Screen, width: int, strip: Sequence[Line], *, is_in_view: bool = False) -> str:
    """Explain the letters below a strip, the sign HIDDEN if the strip has it, and the cells.

    If there is only a little room, explain the cells and the first letters. `is_in_view`: the rows of the memory view
    explain the cells, except those that are not listed, so all letters come first.
    """
    if screen.capture is None:
        return ""
    picture = _picture(screen, screen.capture, width)
    outside = {*picture.marks_outside}
    names = dict.fromkeys(_name(mark, is_drawn=mark not in outside) for mark in picture.marks)
    hidden = [f"{HIDDEN} several of these"] if any(HIDDEN in plain(line) for line in strip[2:]) else []
    cells = plain(strip[1]) if len(strip) > 1 else ""
    kinds = {kind: sign[screen.ascii] for kind, sign in picture_text.SIGNS.items() if sign[screen.ascii] in cells}
    words, explained = "  ".join((*names, *hidden)), "  ".join(f"{sign} {kind}" for kind, sign in kinds.items())
    short = _shorten(words)
    without = short.removesuffix(f"  {_shorten(hidden[0])}") if hidden else short
    last = "  ".join(map(_shorten, (*hidden, explained)))
    some = (
        ()
        if is_in_view
        else _with_some(last, [_shorten(name) for name in islice(names, width)], signs(screen.ascii).more)
    )
    gap = f"{kinds[NOT_LISTED]} {NOT_LISTED}   " if NOT_LISTED in kinds else ""
    wordings = (f"{words}   {explained}", f"{short}   {explained}", *some, f"{gap}{words}", f"{gap}{short}", short)
    return next((wording for wording in wordings if len(wording) <= width), without)


def _with_some(last: str, names: Sequence[str], more: str) -> Iterator[str]:
    """Yield wordings with the last words and all names, then with fewer names, down to one."""
    close = last.replace("  ", " ")
    yield f"{'  '.join(names)}  {close}"
    for count in reversed(range(1, len(names))):
        yield f"{'  '.join(names[:count])}  {more}  {close}"


def _name(mark: Mark, *, is_drawn: bool) -> str:
    """Return the letter of a mark with what it stands for, or the name of one that no strip shows."""
    name = "modules" if mark.letter == "m" else mark.name
    return f"{mark.letter} {name}" if is_drawn else f"not drawn: {name} at {mark.start:#x}"


def _picture(screen: Screen, capture: Capture, cells: int) -> Picture:
    return _drawn(ById(capture), ById(screen.latest_with_map or capture), ById(screen.image), cells)


@lru_cache(_PICTURES)
def _drawn(capture: ById[Capture], map_capture: ById[Capture], image: ById[ImageFacts | None], cells: int) -> Picture:
    e820_table, memory_map = capture.value.e820_table, map_capture.value.memory_map
    entries = e820_table.entries if e820_table else memory_map.entries if memory_map else ()
    return memory_picture.picture(parts(ById(entries)), memory_picture.marks(map_capture.value, image.value), cells)


@lru_cache(_PICTURES)
def _lines(strip: Strip, *, ascii: bool) -> list[Line]:  # noqa: A002
    """Draw the scale, the cells, and as many lines of letters as needed."""
    picture = Picture((strip,), (), (), ())
    scale, _, *marks, _, _ = picture_text.render(picture, ascii=ascii, indent=0)
    cells: Line = [
        (classes.KINDS[kind], picture_text.SIGNS[kind][ascii] * len(list(run))) for kind, run in groupby(strip.cells)
    ]
    return [[(classes.SCALE, scale)], cells, *([(classes.MARK, words)] for words in marks)]
