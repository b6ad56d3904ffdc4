"""Memory to scale: as a strip below other views, and beside or above the table in its own."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING

from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import fit, plain
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.views.rows import memory_picture, picture_text
from pvhdbg.views.rows.memory_picture import Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.views.rows.memory_picture import Strip

APART, WIDE_APART, WIDE = 6, 10, 100
"""Cells between two strips, and how many more from which width on: the label of an end may reach into them."""
USUAL = 2
"""Stretches that a picture has if there is no RAM above 4 GiB."""
_SHORT = {", module 0": "", "module list": "modlist", "command line": "cmdline", "memory map": "map"}
_LONG = re.compile("|".join(_SHORT))
HIDDEN = "+"
"""Where a letter would be that has no room."""


def strip(screen: Screen, width: int, lines: int) -> list[Line]:
    """All of memory in one row of cells, its stretches beside each other, with scales above and letters below."""
    seen = screen.capture
    if seen is None:
        return []
    apart, more = WIDE_APART if width >= WIDE else APART, signs(screen.ascii).more
    cells = (width - 1) // USUAL - apart
    found = _picture(screen, seen, cells)
    if len(found.strips) != USUAL:
        cells = (width - 1) // len(found.strips) - apart
        found = _picture(screen, seen, cells)
    drawn = [_within(_lines(each, ascii=screen.ascii), lines) for each in found.strips]
    return [
        [("", " "), *(part for each in drawn for part in fit(each[at] if at < len(each) else [], cells + apart, more))]
        for at in range(lines)
    ]


def _within(found: list[Line], count: int) -> list[Line]:
    """So many lines, with a sign on the last for the letters that are on none of them."""
    hidden = [plain(each) for each in found[count:]]
    if not hidden:
        return found
    columns = zip_longest(plain(found[count - 1]), *hidden, fillvalue=" ")
    marked = "".join(HIDDEN if any(each != " " for each in below) else shown for shown, *below in columns)
    return [*found[: count - 1], [(classes.MARK, marked)]]


def stacked(screen: Screen, width: int, lines: int) -> list[Line]:
    """The stretches above each other, then what the signs mean."""
    seen = screen.capture
    if seen is None:
        return []
    drawn = _picture(screen, seen, width - WIDE_APART)
    found = [line for each in drawn.strips for line in _lines(each, ascii=screen.ascii)]
    legend = picture_text.legend(drawn, ascii=screen.ascii)
    if any(len(each) > width for each in legend):
        legend = [part for each in legend for part in _narrow(each).replace("  (a char", "\n(a char").split("\n")]
    return [*found, *([(classes.MEANING, each)] for each in legend)][:lines]


def _narrow(line: str) -> str:
    """In as few words as will do."""
    return _LONG.sub(lambda found: _SHORT[found[0]], re.sub("  +", "  ", line))


def letters(screen: Screen, width: int, drawn: Sequence[Line]) -> str:
    """What the letters stand for, and the sign for those that had no room in what was drawn; in short where the line
    has no room.
    """
    seen = screen.capture
    if seen is None:
        return ""
    marks = memory_picture.marks(screen.handover or seen, screen.image)
    names = dict.fromkeys(f"{each.letter} {'modules' if each.letter == 'm' else each.name}" for each in marks)
    hidden = [f"{HIDDEN} several"] if any(HIDDEN in plain(each) for each in drawn[2:]) else []
    words = "  ".join((*names, *hidden))
    return words if len(words) <= width else _narrow(words)


def _picture(screen: Screen, seen: Capture, cells: int) -> Picture:
    given = screen.handover or seen
    return _drawn(ById(seen), ById(given), ById(screen.image), cells)


@lru_cache(32)
def _drawn(seen: ById[Capture], given: ById[Capture], image: ById[ImageFacts | None], cells: int) -> Picture:
    made, handed_over = seen.value.e820_table, given.value.memory_map
    entries = made.entries if made else handed_over.entries if handed_over else ()
    return memory_picture.picture(entries, memory_picture.marks(given.value, image.value), cells)


def _lines(drawn: Strip, *, ascii: bool) -> list[Line]:  # noqa: A002
    """A scale, the cells, and as many lines of letters as it takes."""
    one = Picture((drawn,), (), (), ())
    scale, _, *marks, _ = picture_text.render(one, ascii=ascii, indent=0)
    cells: Line = [
        (classes.KINDS[kind], picture_text.SIGNS[kind][ascii] * len(list(run))) for kind, run in groupby(drawn.cells)
    ]
    return [[(classes.SCALE, scale)], cells, *([(classes.MARK, each)] for each in marks)]
