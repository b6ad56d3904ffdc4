"""Frames drawn by changed_rows look the same on a terminal as those that prompt_toolkit draws."""

from __future__ import annotations

import io
import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyte
import pytest
from prompt_toolkit import renderer
from prompt_toolkit.data_structures import Point, Size
from prompt_toolkit.layout.screen import Char, Screen
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import DummyStyleTransformation, Style

from pvhdbg.tui.app.render import changed_rows

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = Size(rows=8, columns=24)
STYLES = ("", "class:a", "class:b")
STYLE = Style([("a", "ansired bold"), ("b", "reverse")])
ATTRIBUTES = renderer._StyleStringToAttrsCache(STYLE.get_attrs_for_style_str, DummyStyleTransformation())
APP = SimpleNamespace(layout=SimpleNamespace(current_window=None))
FUNCTION: Any = renderer._output_screen_diff
COMPARE = FUNCTION.args[0] if hasattr(FUNCTION, "args") else FUNCTION
"""prompt_toolkit's own function, also if a test before this one has replaced it."""


class TerminalScreen:
    """A terminal, on which each frame is drawn by one of the two functions."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.pyte = pyte.Screen(SIZE.columns, SIZE.rows)
        self._stream, self._file = pyte.Stream(self.pyte), io.StringIO()
        self._output = Vt100_Output(self._file, lambda: SIZE, term="xterm-256color", enable_cpr=False)
        self._function = function
        self._before: Screen | None = None
        self._state: Any = (Point(0, 0), None)

    def draw(self, frame: Screen, columns_before: int = SIZE.columns) -> None:
        has_style = renderer._StyleStringHasStyleCache(ATTRIBUTES)
        position, style = self._state
        values = (APP, self._output, frame, position, ColorDepth.DEPTH_8_BIT, self._before, style, False)
        self._state = self._function(*values, True, ATTRIBUTES, has_style, SIZE, previous_width=columns_before)
        self._before = frame
        self._output.flush()
        self._stream.feed(self._file.getvalue())
        self._file.seek(0)
        self._file.truncate()

    def cells(self) -> list[list[Any]]:
        return [[self.pyte.buffer[row][column] for column in range(SIZE.columns)] for row in range(SIZE.rows)]


def frame(generator: random.Random) -> Screen:
    """Return a frame in which most rows have no random part, some are short, and some have wide characters."""
    screen = Screen()
    screen.height = SIZE.rows
    for row in range(SIZE.rows):
        for column in range(generator.choice((SIZE.columns, SIZE.columns, 5, 0))):
            is_random = generator.random() < 0.1
            screen.data_buffer[row][column] = Char(
                generator.choice("xy…") if is_random else "-", generator.choice(STYLES)
            )
        if generator.random() < 0.1:
            screen.data_buffer[row] |= {3: Char("\u3042", "class:a"), 4: Char("", "")}
    return screen


@pytest.mark.parametrize("seed", range(10))
def test_a_terminal_shows_the_same_as_with_prompt_toolkit_alone(seed: int) -> None:
    generator = random.Random(seed)
    ours, theirs = (
        TerminalScreen(lambda *values, **named: changed_rows._draw(COMPARE, *values, **named)),
        TerminalScreen(COMPARE),
    )
    frames = [frame(generator) for _ in range(6)]
    for one in (*frames, frames[2], frames[2]):
        columns_before = generator.choice((SIZE.columns, SIZE.columns, 0))
        ours.draw(one, columns_before)
        theirs.draw(one, columns_before)

        assert theirs.cells() == ours.cells()
        assert (theirs.pyte.cursor.x, theirs.pyte.cursor.y) == (ours.pyte.cursor.x, ours.pyte.cursor.y)


def test_the_function_that_is_replaced_has_the_known_parameters() -> None:
    assert COMPARE.__code__.co_varnames[: COMPARE.__code__.co_argcount] == changed_rows._PARAMETERS
