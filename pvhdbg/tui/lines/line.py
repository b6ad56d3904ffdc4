"""Lines of styled text, a character a cell: as prompt_toolkit takes them, and always exactly as long as asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import Escapes

if TYPE_CHECKING:
    from collections.abc import Iterable

Fragment = tuple[str, str]
"""A style class, or several with a blank between them, and text."""

Line = list[Fragment]

_SOFT_HYPHEN = 0xAD
# Beside ASCII: Latin-1 and the quotes that gdb and kernel sources write, and what panes draw; all of it one cell wide.
_OTHERS = (
    *(chr(code) for code in range(0xA1, 0x100) if code != _SOFT_HYPHEN),
    *"\u2018\u2019\u201c\u201d\u2013\u2212\u2139",
    *"─│┌┐└┘├┤┬┴═║╔╗╚╝╠╣╦╩▸…▏▶●■✖□◌◉○▲█▒",
)


# One cell for each character, or what stands for it; nothing that a terminal would obey or draw wider.
_CELLS = Escapes({ord(each): each for each in (*map(chr, range(0x20, 0x7F)), *_OTHERS)})
_IN_ASCII = {"…": "...", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "·": "."}
_ASCII_CELLS = Escapes({code: chr(code) for code in range(0x20, 0x7F)} | {ord(a): b for a, b in _IN_ASCII.items()})


def clean(text: str, *, ascii: bool = False) -> str:  # noqa: A002  what it asks for
    """Text whose characters are all one cell wide, whatever it was."""
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_ASCII_CELLS if ascii else _CELLS)


def length(line: Line) -> int:
    return sum(len(text) for _, text in line)


def plain(line: Line) -> str:
    return "".join(text for _, text in line)


def fit(line: Iterable[Fragment], width: int, more: str = "…") -> Line:
    """Exactly `width` cells: blanks after a shorter line; a longer one is cut, and ends in `more`."""
    fitted: Line = []
    left = width
    for style, text in line:
        shown = clean(text, ascii=more.isascii())
        if len(shown) > left:
            return _cut(fitted, (style, shown), left, more)
        fitted.append((style, shown))
        left -= len(shown)
    if left:
        fitted.append(("", " " * left))
    return fitted


def _cut(fitted: Line, last: Fragment, left: int, more: str) -> Line:
    if left:
        return [*fitted, (last[0], last[1][: left - 1] + more)]
    while fitted and not fitted[-1][1]:
        fitted.pop()
    if not fitted:
        return []
    style, text = fitted[-1]
    return [*fitted[:-1], (style, text[:-1] + more)]


def cut(text: str, width: int, more: str = "…") -> str:
    """The text, or as much of it as `width` cells take."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + more[:width]


def styled(line: Line, style: str) -> Line:
    """The line with another class added to all of it."""
    return [(f"{each} {style}" if each else style, text) for each, text in line]


def laid_over(line: Line, at: int, over: Line) -> Line:
    """The line with another over part of it."""
    end = at + length(over)
    return [*_between(line, 0, at), *over, *_between(line, end, length(line))]


def _between(line: Line, start: int, end: int) -> Line:
    found: Line = []
    at = 0
    for style, text in line:
        part = text[max(start - at, 0) : max(end - at, 0)]
        if part:
            found.append((style, part))
        at += len(text)
    return found
