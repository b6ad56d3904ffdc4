"""The popups, drawn over the screen: the list of keys, and the question before quitting."""

from __future__ import annotations

from functools import lru_cache
from textwrap import wrap
from typing import TYPE_CHECKING

from pvhdbg.tui.draw.keys import EVERYWHERE, KEYS, PANE, PROMPT
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import fit, laid_over, plain, styled
from pvhdbg.tui.lines.signs import Signs, signs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Popup, Screen

HELP, QUIT, CHAIN = "help", "quit", "chain"
WIDEST, KEY_WIDTH = 100, 12
_HEADS = {EVERYWHERE: "Everywhere", PANE: "In a pane", PROMPT: "At the prompt, in addition to gdb's keys"}
_TITLES = {HELP: " keys ", CHAIN: " where the value came from "}
_CHAIN_KEYS = " Up/Down: choose   Enter: go there   Esc: close "
_QUESTION = ("pvhdbg started this guest: quitting ends it.", "", "Quit?   y: yes   any other key: no")


def over(screen: Screen, lines: list[Line]) -> list[Line]:
    """Lay the popup, if there is one, over the middle of the lines."""
    if screen.popup is None:
        return lines
    width, height = len(plain(lines[0])), len(lines)
    box = popup(screen, screen.popup, width - 4, height - 2)
    left, top = (width - len(plain(box[0]))) // 2, (height - len(box)) // 2
    covered = {top + index: laid_over(lines[top + index], left, line) for index, line in enumerate(box)}
    return [covered.get(index, line) for index, line in enumerate(lines)]


def popup(screen: Screen, shown: Popup, width: int, height: int) -> list[Line]:
    """Draw a framed box of at most this size."""
    lines = _lines(shown, width, ascii=screen.ascii)
    inner = max(len(plain(line)) for line in lines) + 2
    room = min(len(lines), height - 2)
    top = min(max(shown.top, 0), len(lines) - room)
    title = _TITLES.get(shown.kind, " quit ")
    keys = " Up/Down: scroll   Esc: close " if room < len(lines) else " Esc: close "
    if shown.kind == CHAIN:
        top, keys = min(max(shown.selected - room + 1, 0), len(lines) - room), _CHAIN_KEYS
    return _framed(screen, lines[top : top + room], inner, title, keys)


def last_top(shown: Popup, width: int, height: int) -> int:
    """Return the largest index that the popup's first visible line can have, in a frame of this size."""
    return max(len(_lines(shown, width - 4)) - (height - 4), 0)


def _lines(shown: Popup, width: int, *, ascii: bool = False) -> list[Line]:  # noqa: A002
    """Return the popup's text, without its frame."""
    if shown.kind == HELP:
        return help_lines(min(width, WIDEST) - 4, ascii=ascii)
    if shown.kind == CHAIN:
        return [_step(shown, index) for index in range(len(shown.steps))]
    return [[(classes.POPUP, words)] for words in _QUESTION]


def _step(shown: Popup, index: int) -> Line:
    """Return a step of a chain: a field, or, indented, what wrote it."""
    if index % 2:
        return [(classes.POPUP, f"  <- {shown.steps[index]}")]
    line: Line = [(classes.POPUP, shown.steps[index])]
    return styled(line, classes.SELECTED) if index == shown.selected else line


def _framed(screen: Screen, lines: list[Line], inner: int, title: str, keys: str) -> list[Line]:
    sign, style = signs(screen.ascii), classes.POPUP
    box = sign.box
    head, foot = (words[:inner].ljust(inner, box.across) for words in (title, keys))
    edge = (style, box.down)
    return [
        [(classes.POPUP_TITLE, f"{box.top_left}{head}{box.top_right}")],
        *([edge, *styled(fit([("", " "), *line], inner, sign.more), style), edge] for line in lines),
        [(style, f"{box.bottom_left}{foot}{box.bottom_right}")],
    ]


@lru_cache(4)
def help_lines(width: int, *, ascii: bool = False) -> list[Line]:  # noqa: A002  the name of the option
    """Return the list of keys, grouped by where they work, then the meanings of the signs."""
    keys = [line for scope, head in _HEADS.items() for line in _section(scope, head, width)]
    return [*keys, *_signs(signs(ascii), width)]


def _signs(sign: Signs, width: int) -> Iterator[Line]:
    stages, runs = sign.stages, sign.runs
    rows = (
        (sign.changed, "changed since the previous stage; on a tab: something in that view changed"),
        (" ".join(sign.findings.values()), "a finding: error, warning, info"),
        (
            " ".join(stages.values()),
            "a stage: captured, current, ahead, not in this guest, passed but not captured; [ ]: displayed",
        ),
        (f"{runs['running']} {runs['stopped']} {runs['dead']}", "the guest: running, stopped, dead"),
        (f"{sign.cursor} {sign.current} {sign.breakpoint}", "the selected row, RIP, a breakpoint"),
    )
    yield [(classes.POPUP_TITLE, "Signs")]
    for characters, meaning in rows:
        yield from _explained(characters, meaning, width)


def _explained(key: str, meaning: str, width: int) -> Iterator[Line]:
    first, *more = wrap(meaning, width - KEY_WIDTH)
    yield [(classes.KEY, f"  {key}".ljust(KEY_WIDTH)), (classes.POPUP, first)]
    yield from ([(classes.POPUP, " " * KEY_WIDTH + words)] for words in more)


def _section(scope: str, head: str, width: int) -> Iterator[Line]:
    yield [(classes.POPUP_TITLE, head)]
    for key in KEYS:
        if key.scope == scope:
            yield from _explained(key.key, key.help, width)
    yield [(classes.POPUP, "")]
