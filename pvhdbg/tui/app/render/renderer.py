"""A renderer that draws only the lines of the bodies if nothing else on the screen has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prompt_toolkit.renderer import Renderer

from pvhdbg.tui.app.render.body import FrameBefore
from pvhdbg.tui.app.render.changed_rows import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from prompt_toolkit.application import Application
    from prompt_toolkit.layout.layout import Layout

    from pvhdbg.tui.app.render.body import Body, Part

    Others = tuple[object, ...]


class BodyRenderer(Renderer):
    """A renderer like `renderer`, for a full screen. `bodies` are the largest part of the screen.

    `others` returns all that the other windows show and where they are, or None if they may lie over the bodies. If it
    is the same as at the frame before, only the bodies are drawn, over that frame: prompt_toolkit would lay out all
    windows and make every row again, which takes as long as drawing the panes. Otherwise, prompt_toolkit draws only the
    other windows.
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

    def draw_bodies(self, layout: Layout) -> bool:
        """Draw only the bodies. Return False if a whole frame has to be drawn, by `render`."""
        drawn = self._beside_bodies(layout)
        before = self._frame_before() if drawn is not None and drawn == self._drawn else None
        if before is None:
            return False
        for body in self._bodies:
            before.write(body.changed_parts())
        if before.screen.show_cursor:
            self.output.show_cursor()
        self.output.flush()
        return True

    def render(self, app: Application[Any], layout: Layout, is_done: bool = False) -> None:
        drawn = None if is_done else self._beside_bodies(layout)
        has_same_size = drawn is not None and self._drawn is not None and drawn[0] == self._drawn[0]
        before = self._frame_before() if has_same_size else None
        if before is None and self._last_screen is not None and self._is_behind:
            for body in self._bodies:
                body.copy_to(self._last_screen)
            self._is_behind = False
        for body in self._bodies:
            body.before = before
        super().render(app, layout, is_done)
        self._drawn = drawn

    def _beside_bodies(self, layout: Layout) -> Others | None:
        """Return the size of the terminal, and all that is drawn beside the bodies."""
        others = self._others()
        return others and (self.output.get_size(), self.mouse_support(), layout.current_window, *others)

    def _frame_before(self) -> FrameBefore | None:
        """Return the frame that was drawn last; None if there is none, as after a change of the terminal's size."""
        screen, attributes, depth = self._last_screen, self._attrs_for_style, self._last_color_depth
        if screen is None or attributes is None or depth is None:
            return None

        def write_over(parts: Iterable[Part]) -> None:
            if listed := [*parts]:
                self._is_behind = True
                write(listed, self.output, attributes, depth)
                self.output.cursor_goto(self._cursor_pos.y + 1, self._cursor_pos.x + 1)

        return FrameBefore(screen, self.mouse_handlers, write_over)
