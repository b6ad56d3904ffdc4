"""The first picture, painted without prompt_toolkit: its import takes as long as a kernel takes to its first stop.

The panes are functions of the Screen, so what is painted here is what prompt_toolkit draws over it a moment later.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.tui.app.colors import COLOURS, colours, plain
from pvhdbg.tui.app.prompt_label import label
from pvhdbg.tui.draw.frame import frame
from pvhdbg.tui.draw.layout import BELOW
from pvhdbg.tui.draw.legend import legend
from pvhdbg.tui.machine import terminal
from pvhdbg.tui.screen.events import Began, Known, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pvhdbg.tui.screen.events import Event
    from pvhdbg.tui.screen.line import Line
    from pvhdbg.tui.screen.state import Screen

_WEIGHTS = {"bold": "1", "dim": "2", "italic": "3", "underline": "4", "reverse": "7"}
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "gray")
_CODES = _WEIGHTS | {f"ansi{name}": str(30 + number) for number, name in enumerate(_COLOURS)}
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[0m\x1b[?25h\x1b[?1049l"


def after(screen: Screen, events: Iterable[Event]) -> Screen | None:
    """The screen of the first stop, as far as it can be had at once; null if there was none yet."""
    for event in events:
        if isinstance(event, Began):
            screen = screen._replace(title=event.title, image=event.image, ours=event.ours)
        elif isinstance(event, Known):
            screen = screen._replace(image=event.image)
        elif isinstance(event, Stopped):
            return screen._replace(run=event.run, now=event.now, history=event.history, stages=event.stages)
    return None


@contextmanager
def standing(screen: Screen | None) -> Iterator[Callable[[], None]]:
    """Within, the picture stands and the terminal echoes nothing. It goes at the end, unless somebody has taken it
    over by calling what is given.
    """
    taken = False

    def take_over() -> None:
        nonlocal taken
        taken = True

    if screen is None:
        yield take_over
        return
    with terminal.silent():
        try:
            _write(_ENTER + picture(screen, *terminal.size()))
            yield take_over
        finally:
            if not taken:
                _write(_LEAVE)


def picture(screen: Screen, width: int, height: int) -> str:
    """What paints it; the cursor then stands at the prompt."""
    prompt = label(screen)
    lines = [*frame(screen, width, height - BELOW), [("", prompt)], legend(screen, width)]
    painted = [f"\x1b[{number};1H{_line(each)}\x1b[0m\x1b[K" for number, each in enumerate(lines, 1)]
    return f"{''.join(painted)}\x1b[{height - 1};{len(prompt) + 1}H\x1b[?25h"


def _line(line: Line) -> str:
    return "".join(f"\x1b[0{_codes(style, coloured=colours())}m{text}" for style, text in line)


@lru_cache(256)
def _codes(style: str, *, coloured: bool) -> str:
    """The codes for all its classes; of several colours the last one."""
    words = [COLOURS.get(name.removeprefix("class:"), "") for name in style.split()]
    shown = " ".join(words if coloured else map(plain, words)).split()
    weights = [_CODES[word] for word in dict.fromkeys(shown) if word in _WEIGHTS]
    colour = [_CODES[word] for word in shown if word.startswith("ansi")][-1:]
    return "".join(f";{code}" for code in (*weights, *colour))


def _write(text: str) -> None:
    """As prompt_toolkit does: what the terminal's encoding lacks becomes a question mark."""
    sys.stdout.buffer.write(text.encode(sys.stdout.encoding or "utf-8", "replace"))
    sys.stdout.buffer.flush()
