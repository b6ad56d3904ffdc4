"""The screen as text or as a picture (SVG)."""

from __future__ import annotations

from functools import reduce
from html import escape
from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.app.colors import COLORS
from pvhdbg.tui.app.colors import plain as without_colors
from pvhdbg.tui.lines.line import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.tui.lines.line import Line

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


def text(lines: Sequence[Line]) -> str:
    """Return the lines as text."""
    return "".join(f"{plain(line).rstrip()}\n" for line in lines)


def svg(lines: Sequence[Line], title: str, *, has_colors: bool = True) -> str:
    """Return the lines as a picture. Without colors, it has bold, reversed, italic and underlined text."""
    columns = max(len(plain(line)) for line in lines)
    width, height = columns * _CELL_WIDTH + 2 * _MARGIN, len(lines) * _CELL_HEIGHT + 2 * _MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="13.29" '
        f'font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" xml:space="preserve">\n'
        f"<title>{escape(title)}</title>\n"
        "<style>text { white-space: pre; }</style>\n"  # browsers do not let all text inherit xml:space
        f'<rect width="{width}" height="{height}" rx="6" fill="{_BACKGROUND}"/>\n'
    )
    return head + "".join(_line(line, number, has_colors=has_colors) for number, line in enumerate(lines)) + "</svg>\n"


def _line(line: Line, number: int, *, has_colors: bool) -> str:
    parts, column = [], 0
    for style, text in line:
        parts.append(_run(_look(style, has_colors=has_colors), text, column, number))
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


def _look(style: str, *, has_colors: bool) -> Look:
    """Return the style that the classes of a fragment add up to."""
    words = " ".join(COLORS.get(name.removeprefix("class:"), "") for name in style.split())
    return reduce(_with_word, (words if has_colors else without_colors(words)).split(), Look())


def _with_word(style: Look, word: str) -> Look:
    return Look(
        _PALETTE.get(word, style.color),
        style.bold or word == "bold",
        style.reverse or word == "reverse",
        style.italic or word == "italic",
        style.underline or word == "underline",
    )
