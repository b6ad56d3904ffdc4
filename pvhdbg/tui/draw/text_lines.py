"""Lines of text that gdb or the guest wrote, wrapped at the width of a pane."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.tui.lines.line import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.tui.screen.state import Screen


_CACHED_LINES = 1024
_OWN, _MOST_OWN = "pvhdbg: ", 2


def wrapped(
    screen: Screen, lines: Sequence[str], top: int | None, width: int, count: int, indent: str = ""
) -> list[str]:
    """Return at most `count` display lines starting at `top`, or the last `count` if `top` is None. Wrap long lines,
    and begin their further parts with `indent`.

    Omit an empty last line: it is a placeholder for output still to come.
    """
    end = len(lines) - 1 if lines and not lines[-1] else len(lines)
    start = max(end - count if top is None else top, 0)
    folded = [
        part
        for line in lines[start : min(start + count, end)]
        for part in _folded(line, width, indent, ascii=screen.ascii)
    ]
    return folded[max(len(folded) - count, 0) :] if top is None else folded[:count]


def without_old_answers(output: Sequence[str], count: int) -> list[str]:
    """Return at least the last `count` lines of gdb's output. Of consecutive lines from pvhdbg, keep only the last two.

    The user has seen the others above the prompt, and the views need the room. A death has two lines.
    """
    kept, own = list[str](), 0
    for line in reversed(output):
        own = 0 if line and not line.startswith(_OWN) else own + bool(line)
        kept += [line] if own <= _MOST_OWN else []
        if len(kept) > count:
            break
    return kept[::-1]


@lru_cache(_CACHED_LINES)
def _folded(line: str, width: int, indent: str, *, ascii: bool) -> list[str]:  # noqa: A002
    """Fold a line, at a space unless that leaves most of the line empty."""
    words, parts = clean(line.expandtabs(), ascii=ascii), list[str]()
    while len(words) > width:
        space = words.rfind(" ", width // 3, width + 1)
        end = width if space < 0 else space
        parts.append(words[:end])
        words = indent + (words[end:] if space < 0 else words[end + 1 :])
    return [*parts, words]
