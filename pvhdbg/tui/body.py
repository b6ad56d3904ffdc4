"""The panes inside prompt_toolkit: a control that draws the Screen, line by line as they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.layout.controls import UIContent, UIControl
from prompt_toolkit.mouse_events import MouseEventType

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_toolkit.mouse_events import MouseEvent

    from pvhdbg.tui.line import Line

    Draw = Callable[[int, int], list[Line]]

WHEEL = {MouseEventType.SCROLL_UP: "up", MouseEventType.SCROLL_DOWN: "down"}


class Body(UIControl):
    """`draw` gives the lines for a width and a height, `on_wheel` gets `up` or `down`."""

    def __init__(self, draw: Draw, on_wheel: Callable[[str], None], *, focusable: bool = False) -> None:
        self._draw = draw
        self._on_wheel = on_wheel
        self._focusable = focusable
        self.size = (0, 0)

    def create_content(self, width: int, height: int) -> UIContent:
        self.size = (width, height)
        lines = self._draw(width, height)
        # A list is what prompt_toolkit's type asks for, and its elements may have a third part.
        return UIContent(lambda number: [*lines[number]], len(lines), show_cursor=False)

    def is_focusable(self) -> bool:
        return self._focusable

    def mouse_handler(self, mouse_event: MouseEvent) -> None:
        action = WHEEL.get(mouse_event.event_type)
        if action:
            self._on_wheel(action)
