"""A renderer that draws the lines of the bodies alone if nothing else on the screen has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prompt_toolkit.renderer import Renderer

from pvhdbg.tui.app.render import changed_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prompt_toolkit.application import Application
    from prompt_toolkit.layout.layout import Layout

    from pvhdbg.tui.app.render.body import Body

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
        if drawn is None or drawn != self._drawn or not self._draw_bodies():
            super().render(app, layout, is_done)
        self._drawn = drawn

    def _draw_bodies(self) -> bool:
        """Draw the rows of the bodies that changed. Return False if a whole frame has to be drawn."""
        screen, size, depth = self._last_screen, self._last_size, self._last_color_depth
        if screen is None or size is None or depth is None or self._attrs_for_style is None:
            return False
        rows = {row: cells for body in self._bodies for row, cells in body.changed_rows().items()}
        pieces = {}
        for row, cells in rows.items():
            parts = changed_rows.pieces_of(cells, screen.data_buffer[row], size.columns)
            if parts is None:
                return False
            pieces[row] = parts
        for row, cells in rows.items():
            screen.data_buffer[row].update(cells)
        if pieces:
            changed_rows.write(pieces, self.output, self._attrs_for_style, depth, self._cursor_pos)
            if screen.show_cursor:
                self.output.show_cursor()
            self.output.flush()
        return True
