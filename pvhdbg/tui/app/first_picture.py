"""The first screen, drawn without prompt_toolkit, whose import takes as long as a kernel takes to reach its first stop.

The panes are functions of the Screen, so prompt_toolkit draws the same picture over it a moment later.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.tui.app.colors import plain, styles, use_colors
from pvhdbg.tui.app.prompt_label import prompt_label
from pvhdbg.tui.draw.frame import frame
from pvhdbg.tui.draw.layout import BELOW
from pvhdbg.tui.draw.legend import legend
from pvhdbg.tui.events.events import GuestStopped, KernelIdentified, MachineStarted
from pvhdbg.tui.machine import terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pvhdbg.tui.events.events import Event
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen

_WEIGHTS = {"bold": "1", "dim": "2", "italic": "3", "underline": "4", "reverse": "7"}
_ANSI_COLORS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "gray")
_CODES = _WEIGHTS | {f"ansi{name}": str(30 + number) for number, name in enumerate(_ANSI_COLORS)}
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[0m\x1b[?25h\x1b[?1049l"


def at_first_stop(screen: Screen, events: Iterable[Event]) -> Screen | None:
    """Return the screen at the first stop, without what takes long to compute. None if no event is a stop."""
    for event in events:
        if isinstance(event, MachineStarted):
            screen = screen._replace(title=event.title, image=event.image, is_own_machine=event.is_own_machine)
        elif isinstance(event, KernelIdentified):
            screen = screen._replace(image=event.image)
        elif isinstance(event, GuestStopped):
            return screen._replace(run=event.run, now=event.now, history=event.history, stages=event.stages)
    return None


@contextmanager
def displayed(screen: Screen | None) -> Iterator[Callable[[], None]]:
    """Show the screen during the block, with the terminal's echo off. Yield a function, `keep`.

    At the end of the block the picture is removed, unless `keep` was called because prompt_toolkit draws over it.
    """
    is_kept = False

    def keep() -> None:
        nonlocal is_kept
        is_kept = True

    if screen is None:
        yield keep
        return
    with terminal.no_echo():
        try:
            _write(_ENTER + picture(screen, *terminal.size()))
            yield keep
        finally:
            if not is_kept:
                _write(_LEAVE)


def picture(screen: Screen, width: int, height: int) -> str:
    """Return the characters that draw the screen and put the cursor at the prompt."""
    prompt = prompt_label(screen)
    lines = [*frame(screen, width, height - BELOW), [("", prompt)], legend(screen, width)]
    known = styles(screen.theme)
    painted = [f"\x1b[{number};1H{_line(line, known)}\x1b[0m\x1b[K" for number, line in enumerate(lines, 1)]
    return f"{''.join(painted)}\x1b[{height - 1};{len(prompt) + 1}H\x1b[?25h"


def _line(line: Line, known: Mapping[str, str]) -> str:
    return "".join(f"\x1b[0{_codes(_words(style, known))}m{text}" for style, text in line)


def _words(style: str, known: Mapping[str, str]) -> str:
    words = " ".join(known.get(name.removeprefix("class:"), "") for name in style.split())
    return words if use_colors() else plain(words)


@lru_cache(256)
def _codes(style: str) -> str:
    """Return the SGR codes of the words of a style. If several are colors, the last one counts."""
    words = style.split()
    weights = [_CODES[word] for word in dict.fromkeys(words) if word in _WEIGHTS]
    color = [_color(word) for word in words if word.startswith(("ansi", "#"))][-1:]
    behind = [f"48;5;{_index(word.removeprefix('bg:'))}" for word in words if word.startswith("bg:#")][-1:]
    return "".join(f";{code}" for code in (*weights, *color, *behind))


def _color(word: str) -> str:
    return _CODES[word] if word in _CODES else f"38;5;{_index(word)}"


def _index(color: str) -> int:
    """Return the index of one of the 216 colors in the palette with 256 colors."""
    parts = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    red, green, blue = (max(part - 55, 0) // 40 for part in parts)
    return 16 + 36 * red + 6 * green + blue


def _write(text: str) -> None:
    """Write text as prompt_toolkit does. A character that the terminal's encoding lacks becomes a question mark."""
    sys.stdout.buffer.write(text.encode(sys.stdout.encoding or "utf-8", "replace"))
    sys.stdout.buffer.flush()
