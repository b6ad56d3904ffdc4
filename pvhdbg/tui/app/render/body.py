"""A prompt_toolkit window that draws lines, and caches the cells of each line."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate, chain, repeat
from typing import TYPE_CHECKING

from prompt_toolkit.application.current import get_app
from prompt_toolkit.layout.containers import Window
from prompt_toolkit.layout.controls import DummyControl
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.mouse_events import MouseButton, MouseEventType

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.app import mouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prompt_toolkit.layout.mouse_handlers import MouseHandlers
    from prompt_toolkit.layout.screen import Screen, WritePosition
    from prompt_toolkit.mouse_events import MouseEvent

    from pvhdbg.tui.lines.line import Fragment, Line

    Draw = Callable[[int, int], list[Line]]
    OnMouse = Callable[[str, int, int], None]
    Part = tuple[int, int, str, str]
    """Row, column, style, text."""

_KINDS = {
    MouseEventType.SCROLL_UP: mouse.UP,
    MouseEventType.SCROLL_DOWN: mouse.DOWN,
    MouseEventType.MOUSE_DOWN: mouse.CLICK,
}
_CACHED_LINES, _CACHED_CELLS = 1024, 4096
_WEIGHT, _MOST_OTHERS = 1000, 6
"""The weight of a window without a fixed height, and the most rows of all other windows together. prompt_toolkit gives
out the rows above the minimum heights one by one, in turns by weight. A large minimum leaves few rows, and a large
weight saves the turns of windows that have all their rows.
"""


class _Focusable(DummyControl):
    def is_focusable(self) -> bool:
        return True


class FrameBefore(NamedTuple):
    """The frame that was drawn before. `write` writes parts over it."""

    screen: Screen
    mouse_handlers: MouseHandlers
    write: Callable[[Iterable[Part]], None]

    def take_rows(self, rows: Iterable[int], screen: Screen, mouse_handlers: MouseHandlers) -> None:
        """Make rows of this frame those of another one, without copying them."""
        for row in rows:
            screen.data_buffer[row] = self.screen.data_buffer[row]
            mouse_handlers.mouse_handlers[row] = self.mouse_handlers.mouse_handlers[row]


class Body(Window):
    """A window whose lines come from `draw`, which gets the width and the height.

    `on_mouse` gets what the mouse did, a name of `app.mouse`, and the column and line in the window.

    prompt_toolkit's own Window creates every cell again for every frame, which takes longer than everything else. If
    `before` is set, the body is drawn over that frame, unless the window has moved.
    """

    def __init__(self, draw: Draw, on_mouse: OnMouse, *, focusable: bool = False, height: int | None = None) -> None:
        rows = _body_rows if height is None else height
        super().__init__(_Focusable() if focusable else DummyControl(), height=rows)
        self.size = (0, 0)
        self.before: FrameBefore | None = None
        self._lines: list[Line] = []
        self._draw = draw
        self._used = on_mouse
        self._left = self._top = 0

    def write_to_screen(
        self,
        screen: Screen,
        mouse_handlers: MouseHandlers,
        write_position: WritePosition,
        parent_style: str,  # noqa: ARG002
        erase_bg: bool,  # noqa: ARG002
        z_index: int | None,  # noqa: ARG002
    ) -> None:
        left, top, width, height = _place(write_position)
        screen.visible_windows_to_write_positions[self] = write_position
        screen.height = max(screen.height, top + height)
        if self.before is not None:
            if (left, top, width, height) == (self._left, self._top, *self.size):
                self.before.take_rows(range(top, top + height), screen, mouse_handlers)
                self.before.write(self.changed_parts())
                return
            self.copy_to(self.before.screen)
        self._left, self._top, self.size = left, top, (width, height)
        self._lines = self._draw(width, height)[:height]
        for row, line in enumerate(self._lines, top):
            screen.data_buffer[row].update(_cells(tuple(line), left))
        handlers = dict.fromkeys(range(left, left + width), self._on_mouse)
        for row in range(top, top + height):  # prompt_toolkit's own method sets one cell at a time
            mouse_handlers.mouse_handlers[row].update(handlers)

    def changed_parts(self) -> Iterator[Part]:
        """Draw the lines again where they were drawn last, and yield the parts of them that are new there."""
        width, height = self.size
        before, self._lines = self._lines, self._draw(width, height)[:height]
        for row, (line, drawn) in enumerate(zip(self._lines, before, strict=True), self._top):
            if line is not drawn and line != drawn:
                kept = _columns(tuple(drawn), self._left).keys()
                for column, style, text in _columns(tuple(line), self._left):
                    if (column, style, text) not in kept:
                        yield row, column, style, text

    def copy_to(self, screen: Screen) -> None:
        """Make the cells of a screen those of the lines that were drawn last."""
        for row, line in enumerate(self._lines, self._top):
            screen.data_buffer[row].update(_cells(tuple(line), self._left))

    def _on_mouse(self, event: MouseEvent) -> None:
        kind = _KINDS.get(event.event_type)
        if kind and (kind != mouse.CLICK or event.button == MouseButton.LEFT):
            self._used(kind, event.position.x - self._left, event.position.y - self._top)


def _place(position: WritePosition) -> tuple[int, int, int, int]:
    return position.xpos, position.ypos, position.width, position.height


def _body_rows() -> Dimension:
    """Return how many rows the body has: at least all rows that the other windows cannot have."""
    return Dimension(min=max(get_app().output.get_size().rows - _MOST_OTHERS, 0), weight=_WEIGHT)


@lru_cache(_CACHED_LINES)
def _columns(line: tuple[Fragment, ...], left: int) -> dict[tuple[int, str, str], None]:
    """Return the fragments of a line with their columns, in order and as keys."""
    starts = accumulate((len(text) for _, text in line), initial=left)
    return dict.fromkeys((column, style, text) for column, (style, text) in zip(starts, line, strict=False) if text)


@lru_cache(_CACHED_LINES)
def _cells(line: tuple[Fragment, ...], left: int) -> dict[int, Char]:
    """Return the cells of a line by column."""
    return dict(enumerate(chain.from_iterable(map(_cell, text, repeat(style)) for style, text in line), left))


@lru_cache(_CACHED_CELLS)
def _cell(character: str, style: str) -> Char:
    """Return the same object for equal cells: rows of the same objects are compared faster."""
    return Char(character, style)
