"""What lies over everything: the keys, made from their table, and the question before quitting."""

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

HELP, QUIT = "help", "quit"
WIDEST, KEY_WIDTH = 100, 12
_HEADS = {EVERYWHERE: "Everywhere", PANE: "In a pane also", PROMPT: "At the prompt, where all that gdb does works"}
_QUESTION = ("The guest is alive, and it is ours: it ends with us.", "", "Quit?   y: yes   any other key: no")


def over(screen: Screen, lines: list[Line]) -> list[Line]:
    """The lines with the popup over their middle, if there is one."""
    if screen.popup is None:
        return lines
    width, height = len(plain(lines[0])), len(lines)
    found = popup(screen, screen.popup, width - 4, height - 2)
    at, first = (width - len(plain(found[0]))) // 2, (height - len(found)) // 2
    covered = {first + index: laid_over(lines[first + index], at, each) for index, each in enumerate(found)}
    return [covered.get(index, line) for index, line in enumerate(lines)]


def popup(screen: Screen, shown: Popup, width: int, height: int) -> list[Line]:
    """A framed box of at most that size."""
    lines = _lines(shown, width, ascii=screen.ascii)
    inner = max(len(plain(each)) for each in lines) + 2
    room = min(len(lines), height - 2)
    top = min(max(shown.top, 0), len(lines) - room)
    title = " keys " if shown.kind == HELP else " quit "
    more = " Up and Down: the rest   Esc: away " if room < len(lines) else " Esc: away "
    return _framed(screen, lines[top : top + room], inner, title, more)


def last_top(shown: Popup, width: int, height: int) -> int:
    """The last line that can be the popup's first in a frame of that size."""
    return max(len(_lines(shown, width - 4)) - (height - 4), 0)


def _lines(shown: Popup, width: int, *, ascii: bool = False) -> list[Line]:  # noqa: A002
    """What a popup of that width says, its frame not counted."""
    if shown.kind == HELP:
        return help_lines(min(width, WIDEST) - 4, ascii=ascii)
    return [[(classes.POPUP, each)] for each in _QUESTION]


def _framed(screen: Screen, lines: list[Line], inner: int, title: str, below: str) -> list[Line]:
    sign, style = signs(screen.ascii), classes.POPUP
    drawn = sign.box
    head, foot = (each[:inner].ljust(inner, drawn.across) for each in (title, below))
    edge = (style, drawn.down)
    return [
        [(classes.POPUP_TITLE, f"{drawn.top_left}{head}{drawn.top_right}")],
        *([edge, *styled(fit([("", " "), *line], inner, sign.more), style), edge] for line in lines),
        [(style, f"{drawn.bottom_left}{foot}{drawn.bottom_right}")],
    ]


@lru_cache(4)
def help_lines(width: int, *, ascii: bool = False) -> list[Line]:  # noqa: A002  what it asks for
    """Every key, under the heads of where it works, and every sign."""
    keys = [line for scope, head in _HEADS.items() for line in _section(scope, head, width)]
    return [*keys, *_signs(signs(ascii), width)]


def _signs(known: Signs, width: int) -> Iterator[Line]:
    """What the signs beside the words mean."""
    stage, run, found = known.stages, known.runs, known.findings
    rows = (
        (known.changed, "not what it was at the stage before, or new; on a view's name: something in it is"),
        (" ".join(found.values()), "a finding: error, warning, info"),
        (" ".join(stage.values()), "a stage: captured, here, ahead, not in this guest, passed unseen; [looked at]"),
        (f"{run['running']} {run['stopped']} {run['dead']}", "the guest: running, stopped, dead"),
        (
            f"{known.cursor} {known.current} {known.breakpoint}",
            "the selected row, RIP, a breakpoint",
        ),
    )
    yield [(classes.POPUP_TITLE, "Signs")]
    for sign, words in rows:
        yield from _explained(sign, words, width)


def _explained(key: str, words: str, width: int) -> Iterator[Line]:
    first, *more = wrap(words, width - KEY_WIDTH)
    yield [(classes.KEY, f"  {key}".ljust(KEY_WIDTH)), (classes.POPUP, first)]
    yield from ([(classes.POPUP, " " * KEY_WIDTH + each)] for each in more)


def _section(scope: str, head: str, width: int) -> Iterator[Line]:
    yield [(classes.POPUP_TITLE, head)]
    for key in (each for each in KEYS if each.scope == scope):
        yield from _explained(key.key, key.help, width)
    yield [(classes.POPUP, "")]
