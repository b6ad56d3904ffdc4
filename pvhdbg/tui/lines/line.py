"""Lines of styled text for prompt_toolkit, with one character in each cell."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.abi.text import Escapes

if TYPE_CHECKING:
    from collections.abc import Iterable

Fragment = tuple[str, str]
"""(style classes, separated by blanks; text)."""

Line = list[Fragment]

_CACHED_LINES = 1024
"""How many lines `fit` remembers: most lines of a frame are those of the frame before."""

_SOFT_HYPHEN = 0xAD
# In addition to ASCII: Latin-1, the quotes in gdb's output and in kernel sources, and the characters that panes draw.
# All are one cell wide.
_OTHERS = (
    *(chr(code) for code in range(0xA1, 0x100) if code != _SOFT_HYPHEN),
    *"\u2018\u2019\u201c\u201d\u2013\u2212\u2139",
    *"─│┌┐└┘├┤┬┴═║╔╗╚╝╠╣╦╩▸…▏→▶●■✖□◌◉○◇◆▲█▒",
)


# Every character is one cell wide or escaped, so that no text can control the terminal or shift the columns.
_CELLS = Escapes({ord(character): character for character in (*map(chr, range(0x20, 0x7F)), *_OTHERS)})
_IN_ASCII = {"…": "...", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "·": "."}
_ASCII_CELLS = Escapes({code: chr(code) for code in range(0x20, 0x7F)} | {ord(a): b for a, b in _IN_ASCII.items()})


def clean(text: str, *, ascii: bool = False) -> str:  # noqa: A002  the name of the option
    """Escape every character that is not known to be one cell wide."""
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_ASCII_CELLS if ascii else _CELLS)


def length(line: Line) -> int:
    return sum(len(text) for _, text in line)


def plain(line: Line) -> str:
    return "".join(text for _, text in line)


def fit(line: Iterable[Fragment], width: int, more: str = "…") -> Line:
    """Pad or cut the line to exactly `width` cells. A cut line ends in `more`."""
    return [*_fitted(tuple(line), width, more)]


@lru_cache(_CACHED_LINES)
def _fitted(line: tuple[Fragment, ...], width: int, more: str) -> Line:
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
    """Cut the text to at most `width` cells."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + more[:width]


def styled(line: Line, style: str) -> Line:
    """Add a style class to the whole line."""
    return [(f"{classes} {style}" if classes else style, text) for classes, text in line]


def laid_over(line: Line, at: int, over: Line) -> Line:
    """Return `line` with its cells starting at `at` replaced by the cells of `over`."""
    end = at + length(over)
    return [*_between(line, 0, at), *over, *_between(line, end, length(line))]


def _between(line: Line, start: int, end: int) -> Line:
    parts: Line = []
    at = 0
    for style, text in line:
        behind = at + len(text)
        if text and behind > start and at < end:
            parts.append((style, text[max(start - at, 0) : end - at]))
        at = behind
    return parts
