"""The picture in the README: a real boot on the real screen, as an SVG. `make manual` draws it again."""

from __future__ import annotations

from functools import reduce
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.boot.record.replay import load
from pvhdbg.checks import run
from pvhdbg.cli.command.manual import PAGES_DIR
from pvhdbg.tui.app.colors import COLORS
from pvhdbg.tui.draw.frame import rows
from pvhdbg.tui.screen.state import VIEW, Title
from tests.paths import RECORDINGS_DIR
from tests.tui import screens

if TYPE_CHECKING:
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen

PATH = PAGES_DIR / "screen.svg"
SIZE = (112, 34)
"""Columns and lines of the terminal."""
SELECTED = "modlist_paddr"

_CELL_WIDTH, _CELL_HEIGHT, _MARGIN = 8, 18, 10
_FOREGROUND, _BACKGROUND = "#d8dee9", "#1c2128"
_PALETTE = {
    "ansired": "#ff7b72",
    "ansigreen": "#7ee787",
    "ansiblue": "#79c0ff",
    "ansimagenta": "#d2a8ff",
    "ansicyan": "#76e3ea",
}


class Look(NamedTuple):
    """The style of a piece of text."""

    color: str = _FOREGROUND
    bold: bool = False
    reverse: bool = False
    italic: bool = False
    underline: bool = False


def main() -> None:
    PATH.write_text(svg(), encoding="utf-8")


def screen() -> Screen:
    """Return the screen of a recorded boot of Debian's 6.1 at the stage prepare, with the focus on a pointer."""
    document = load(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json")
    index = [stop.stage for stop in document.stops].index("prepare")
    shown = screens.at("prepare", of=document, findings=run.check_stop(document, index), focus=VIEW)
    shown = shown._replace(title=Title("vmlinux", "microvm tcg 512M"), is_own_machine=True)
    return shown.at(next(index for index, row in enumerate(rows(shown)) if row.name == SELECTED))


def svg() -> str:
    lines = screens.drawn(screen(), *SIZE)
    lines[-1:-1] = [[("", "")], [("legend", "(gdb) ")]]
    width, height = SIZE[0] * _CELL_WIDTH + 2 * _MARGIN, len(lines) * _CELL_HEIGHT + 2 * _MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="13.29" '
        f'font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" xml:space="preserve">\n'
        "<title>pvhdbg at the stage prepare</title>\n"
        f'<rect width="{width}" height="{height}" rx="6" fill="{_BACKGROUND}"/>\n'
    )
    return head + "".join(_line(line, number) for number, line in enumerate(lines)) + "</svg>\n"


def _line(line: Line, number: int) -> str:
    parts, column = [], 0
    for style, text in line:
        parts.append(_run(look(style), text, column, number))
        column += len(text)
    return "".join(parts)


def _run(style: Look, text: str, column: int, number: int) -> str:
    x, y, width = _MARGIN + column * _CELL_WIDTH, _MARGIN + number * _CELL_HEIGHT, len(text) * _CELL_WIDTH
    box = f'<rect x="{x}" y="{y}" width="{width}" height="{_CELL_HEIGHT}" fill="{style.color}"/>\n'
    if not text.strip():
        return box if style.reverse and text else ""
    attributes = f'fill="{_BACKGROUND if style.reverse else style.color}"'
    attributes += ' font-weight="bold"' if style.bold else ""
    attributes += ' font-style="italic"' if style.italic else ""
    attributes += ' text-decoration="underline"' if style.underline else ""
    start = len(text) - len(text.lstrip())
    stripped = text.strip()
    x, width = x + start * _CELL_WIDTH, len(stripped) * _CELL_WIDTH
    drawn = f'<text x="{x}" y="{y + 13}" textLength="{width}" {attributes}>{escape(stripped)}</text>\n'
    return (box if style.reverse else "") + drawn


def look(style: str) -> Look:
    """Return the style that the classes of a fragment add up to."""
    words = " ".join(COLORS.get(name.removeprefix("class:"), "") for name in style.split()).split()
    return reduce(_with_word, words, Look())


def _with_word(style: Look, word: str) -> Look:
    return Look(
        _PALETTE.get(word, style.color),
        style.bold or word == "bold",
        style.reverse or word == "reverse",
        style.italic or word == "italic",
        style.underline or word == "underline",
    )


if __name__ == "__main__":
    main()
