"""A renderer that draws the lines of the bodies alone if nothing else on the screen has changed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from prompt_toolkit.renderer import Renderer

from pvhdbg.tui.app.render.changed_rows import write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prompt_toolkit.application import Application
    from prompt_toolkit.layout.layout import Layout
    from prompt_toolkit.layout.screen import Screen

    from pvhdbg.tui.app.render.body import Body, Part

    Others = tuple[object, ...]


class BodyRenderer(Renderer):
    """A renderer like `renderer`, for a full screen of which `bodies` are the greatest part.

    `others` returns all that the other windows show and where they are, or None if they have to be drawn. If it is the
    same as at the frame before, only the bodies are drawn, over that frame: prompt_toolkit would lay out all windows
    and make every row again, which takes as long as drawing the panes.
    """

    def __init__(self, renderer: Renderer, bodies: Sequence[Body], others: Callable[[], Others | None]) -> None:
        self._bodies = bodies
        self._others = others
        self._drawn: Others | None = None
        self._is_behind = False
        """Whether prompt_toolkit's copy of the frame lacks parts that were drawn."""
        super().__init__(
            renderer.style,
            renderer.output,
            full_screen=renderer.full_screen,
            mouse_support=renderer.mouse_support,
            cpr_not_supported_callback=renderer.cpr_not_supported_callback,
        )

    def render(self, app: Application[Any], layout: Layout, is_done: bool = False) -> None:
        others = None if is_done else self._others()
        drawn = others and (self.output.get_size(), self.mouse_support(), layout.current_window, *others)
        screen, attributes, depth = self._last_screen, self._attrs_for_style, self._last_color_depth
        is_same = drawn is not None and drawn == self._drawn
        if is_same and screen is not None and attributes is not None and depth is not None:
            self._draw_bodies(partial(write, output=self.output, attributes=attributes, depth=depth), screen)
            return
        if screen is not None and self._is_behind:
            for body in self._bodies:
                body.copy_to(screen)
        self._is_behind = False
        super().render(app, layout, is_done)
        self._drawn = drawn

    def _draw_bodies(self, write_parts: Callable[[Sequence[Part]], None], screen: Screen) -> None:
        """Draw the parts of the bodies that changed, over the frame that was drawn last."""
        parts = [part for body in self._bodies for part in body.changed_parts()]
        if not parts:
            return
        self._is_behind = True
        write_parts(parts)
        self.output.cursor_goto(self._cursor_pos.y + 1, self._cursor_pos.x + 1)
        if screen.show_cursor:
            self.output.show_cursor()
        self.output.flush()
