"""An explanation whose words are links to other explanations: of a name, or of the selected row."""

from __future__ import annotations

import re
from functools import lru_cache
from textwrap import wrap
from typing import TYPE_CHECKING

from pvhdbg.errors import UserError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.draw import detail
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean, plain
from pvhdbg.views.explain import explain_text, lookup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Popup, Screen

SELECTED_ROW = ""
"""The name of the page about the selected row."""
ALL_NAMES, COMMANDS = "(all names)", "(pvh commands)"
"""The names of the pages with what `explain` and `pvh` print without an argument."""
_NAME = pattern(r"[A-Za-z][\w]*(?:\.[A-Za-z_]\w*)*")
_FIRST_COLUMN = pattern(r".*?\S {2,}")
_ALONE = pattern(r"\w*_\w+|[A-Z]{2,}\w*|\w+\.\w+|PVH\d+")
"""Words that are links wherever they stand. A word such as `entry` is a link only if it is listed under `see also`."""
SEE_ALSO = "  see also    "


class Link(NamedTuple):
    """A word of a page that is a name: on which line, in which columns."""

    line: int
    start: int
    end: int
    name: str


class Page(NamedTuple):
    lines: tuple[str, ...]
    links: tuple[Link, ...]


def page(screen: Screen, shown: Popup, width: int) -> Page:
    """Return the page on top of the stack."""
    name = shown.steps[-1] if shown.steps else SELECTED_ROW
    if name != SELECTED_ROW:
        return _explained(name, width)
    return _linked("", tuple(plain(line) for line in detail.whole(screen, width)))


def lines(screen: Screen, shown: Popup, width: int) -> list[Line]:
    """Draw the page, with its links."""
    drawn = page(screen, shown, width)
    selected = drawn.links[shown.selected] if shown.selected < len(drawn.links) else None
    return [
        _line(words, [link for link in drawn.links if link.line == at], selected)
        for at, words in enumerate(drawn.lines)
    ]


def link(screen: Screen, shown: Popup, width: int) -> Link | None:
    """Return the selected link; None if the page has no links."""
    links = page(screen, shown, width).links
    return links[shown.selected] if shown.selected < len(links) else None


@lru_cache(64)
def _explained(name: str, width: int) -> Page:
    if name == ALL_NAMES:
        return _linked(name, tuple(explain_text.listing(width).splitlines()))
    if name == COMMANDS:
        from pvhdbg.commands import help_text

        return Page(tuple(part for line in help_text().splitlines() for part in _wrapped(clean(line), width)), ())
    try:
        about = lookup.explain(name)
    except UserError as error:
        return Page((clean(f"{error}"), clean(f"hint: {error.hint}")), ())
    text = [line for one in about for line in (*explain_text.in_full(one, width), "")]
    return _linked(name, tuple(clean(line)[:width] for line in text[:-1]))


def _wrapped(line: str, width: int) -> list[str]:
    """Wrap a row of a table of two columns; the text of the second one stays in its column."""
    first = _FIRST_COLUMN.match(line)
    return wrap(line, width, subsequent_indent=" " * (first.end() if first else 0))


@lru_cache(64)
def _linked(name: str, text: tuple[str, ...]) -> Page:
    """Find the links. The words at the start of the first line are the title."""
    links = list[Link]()
    is_list = False
    for at, line in enumerate(text):
        is_list = line.startswith(SEE_ALSO) or (is_list and line.startswith(" " * len(SEE_ALSO)))
        places = _listed(line) if is_list else _in_prose(line, name)
        found = [(start, word) for start, word in places if (at or start) and lookup.is_name(word)]
        links += [Link(at, start, start + len(word), word) for start, word in found]
    return Page(text, tuple(links))


def _listed(line: str) -> Iterator[tuple[int, str]]:
    """Yield the names in a list of names, and where they start."""
    for match in re.finditer(r"[^,]+", line[len(SEE_ALSO) :]):
        words = match[0].strip()
        yield len(SEE_ALSO) + match.start() + match[0].index(words), words


def _in_prose(line: str, name: str) -> Iterator[tuple[int, str]]:
    """Yield the words that look like names, and where they start."""
    for match in _NAME.finditer(line):
        if match[0] != name and _ALONE.fullmatch(match[0]):
            yield match.start(), match[0]


def _line(words: str, links: list[Link], selected: Link | None) -> Line:
    drawn: Line = []
    at = 0
    for one in links:
        style = f"{classes.LINK} {classes.SELECTED}" if one == selected else classes.LINK
        drawn += [(classes.POPUP, words[at : one.start]), (style, words[one.start : one.end])]
        at = one.end
    return [*drawn, (classes.POPUP, words[at:])]
