"""Lines of text that gdb or the guest wrote, folded at the width of a pane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.lines.line import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.tui.screen.state import Screen


def wrapped(screen: Screen, lines: Sequence[str], top: int | None, width: int, count: int) -> list[str]:
    """Return at most `count` lines from `top` on, or the last ones if that is None. Long lines go on in the next.

    An empty last line is left out: it is only where the next text will be written.
    """
    end = len(lines) - 1 if lines and not lines[-1] else len(lines)
    start = max(end - count if top is None else top, 0)
    folded = [
        part for line in lines[start : min(start + count, end)] for part in _folded(line, width, ascii=screen.ascii)
    ]
    return folded[max(len(folded) - count, 0) :] if top is None else folded[:count]


def _folded(line: str, width: int, *, ascii: bool) -> list[str]:  # noqa: A002
    words = clean(line.expandtabs(), ascii=ascii)
    return [words[at : at + width] for at in range(0, len(words), width)] or [""]
