"""Lay a popup over the lines of the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.draw.keys import impossible_now
from pvhdbg.tui.draw.popups import listing, palette, panel
from pvhdbg.tui.draw.popups.kinds import CHAIN, HELP, PALETTE, PANEL, SEARCHED, is_place
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean, fit, laid_over, plain, styled
from pvhdbg.tui.lines.signs import signs

if TYPE_CHECKING:
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Popup, Screen

WIDEST = 100
_TITLES = {
    HELP: " keys ",
    CHAIN: " where the value came from ",
    PALETTE: " find anything by its name ",
    PANEL: " explain ",
}
_KEYS = {
    HELP: " type: search   Up/Down: scroll   Esc: close ",
    CHAIN: " Up/Down: choose   Enter: go there   Esc: close ",
    PALETTE: " type: search   Up/Down: choose   Enter: do it   Esc: close ",
    PANEL: " Tab: link   Enter: follow   Backspace: back   Esc: close ",
}
_QUESTION = ("pvhdbg started this guest: quitting ends it.", "", "Quit?   y: yes   any other key: no")


def over(screen: Screen, lines: list[Line]) -> list[Line]:
    """Lay the popup, if there is one, over the middle of the lines."""
    if screen.popup is None:
        return lines
    width, height = len(plain(lines[0])), len(lines)
    box = popup(screen, screen.popup, width - 4, height - 2)
    left, top = _corner(box, width, height)
    covered = {top + index: laid_over(lines[top + index], left, line) for index, line in enumerate(box)}
    return [covered.get(index, line) for index, line in enumerate(lines)]


class Place(NamedTuple):
    """Where a popup is: its frame, the line of its first line of text, and the index of that line in the whole text."""

    left: int
    top: int
    width: int
    height: int
    text: int
    first: int


def place(screen: Screen, shown: Popup, width: int, height: int) -> Place:
    """Return where a popup is in a frame of this size."""
    box, head = popup(screen, shown, width - 4, height - 2), len(_head(screen, shown))
    left, top = _corner(box, width, height)
    count = len(_lines(screen, shown, width - 4))
    first = _top(shown, count, len(box) - 2 - head)
    return Place(left, top, len(plain(box[0])), len(box), top + 1 + head, first)


def _corner(box: list[Line], width: int, height: int) -> tuple[int, int]:
    return (width - len(plain(box[0]))) // 2, (height - len(box)) // 2


def popup(screen: Screen, shown: Popup, width: int, height: int) -> list[Line]:
    """Draw a framed box of at most this size. A popup that is searched keeps its size while the user types."""
    head, lines = _head(screen, shown), _lines(screen, shown, width)
    inner = _inner(shown, [*head, *lines], width)
    most = height - 2 - len(head)
    room = most if shown.kind in SEARCHED else min(len(lines), most)
    top = _top(shown, len(lines), room)
    visible: list[Line] = [*lines[top : top + room], *([] for _ in range(room - len(lines)))]
    return _framed(screen, [*head, *visible], inner, _TITLES.get(shown.kind, " quit "), keys(shown))


def last_top(screen: Screen, shown: Popup, width: int, height: int) -> int:
    """Return the largest index that the popup's first visible line can have, in a frame of this size."""
    room = height - 4 - len(_head(screen, shown))
    return max(len(_lines(screen, shown, width - 4)) - room, 0)


def _inner(shown: Popup, lines: list[Line], width: int) -> int:
    """Return the width inside the frame. It depends on the text only if the text does not change."""
    if shown.kind in (HELP, PALETTE, PANEL):
        return min(width, WIDEST) - 2
    words = (_TITLES.get(shown.kind, ""), _KEYS.get(shown.kind, ""))
    return min(max(len(plain(line)) + 2 for line in (*lines, *([("", text[2:])] for text in words))), width - 2)


def _top(shown: Popup, count: int, room: int) -> int:
    """Return the first visible line. A selected line is always visible."""
    last = max(count - room, 0)
    if shown.kind in (CHAIN, PALETTE):
        return min(max(shown.selected - room + 1, 0), last)
    return min(max(shown.top, 0), last)


def _head(screen: Screen, shown: Popup) -> list[Line]:
    """Return the line above the text: what is searched for."""
    if shown.kind not in SEARCHED:
        return []
    caret = signs(screen.ascii).caret
    return [[(classes.POPUP_TITLE, f"search: {clean(shown.text)}{caret}")]]


def text_width(width: int) -> int:
    return min(width, WIDEST) - 4


def _lines(screen: Screen, shown: Popup, width: int) -> list[Line]:
    """Return the popup's text, without its frame."""
    if shown.kind == HELP:
        return listing.found(
            shown.text,
            text_width(width),
            ascii=screen.ascii,
            without=impossible_now(screen),
            tour=screen.tour is not None,
        )
    if shown.kind == PALETTE:
        return palette.lines(screen, shown, text_width(width))
    if shown.kind == PANEL:
        return panel.lines(screen, shown, text_width(width))
    if shown.kind == CHAIN:
        return [_step(shown, index) for index in range(len(shown.steps))]
    return [[(classes.POPUP, words)] for words in _QUESTION]


def _step(shown: Popup, index: int) -> Line:
    """Return a step of a chain: a field, or, indented, what wrote it."""
    if not is_place(shown, index):
        return [(classes.POPUP, f"  <- {shown.steps[index]}")]
    line: Line = [(classes.POPUP, shown.steps[index])]
    return styled(line, classes.SELECTED) if index == shown.selected else line


def keys(shown: Popup) -> str:
    """Return what the keys do in the popup."""
    return _KEYS.get(shown.kind, " Esc: close ")


def _framed(screen: Screen, lines: list[Line], inner: int, title: str, foot: str) -> list[Line]:
    sign, style = signs(screen.ascii), classes.POPUP
    box = sign.box
    head, foot = (words[:inner].ljust(inner, box.across) for words in (title, foot))
    edge = (style, box.down)
    return [
        [(classes.POPUP_TITLE, f"{box.top_left}{head}{box.top_right}")],
        *([edge, *styled(fit([("", " "), *line], inner, sign.more), style), edge] for line in lines),
        [(style, f"{box.bottom_left}{foot}{box.bottom_right}")],
    ]
