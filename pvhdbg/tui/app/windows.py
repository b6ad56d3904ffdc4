"""The layout of prompt_toolkit's windows: the panes, the prompt's line and the legend."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.layout.containers import ConditionalContainer, Float, FloatContainer, HSplit, Window
from prompt_toolkit.layout.controls import BufferControl
from prompt_toolkit.layout.layout import Layout
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.mouse_events import MouseEventType
from prompt_toolkit.widgets import SearchToolbar

from pvhdbg.tui.app import prompt
from pvhdbg.tui.app.prompt_label import prompt_label
from pvhdbg.tui.app.render.body import Body
from pvhdbg.tui.draw import legend
from pvhdbg.tui.screen import state

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_toolkit.key_binding.key_bindings import NotImplementedOrNone
    from prompt_toolkit.mouse_events import MouseEvent

    from pvhdbg.tui.app.dispatcher import Dispatcher
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen

    Accept = Callable[[str], None]

MENU_LINES = 8


class Windows:
    """All windows. `screen` returns the current Screen, `draw` its panes, and `dispatcher` gets what is typed."""

    def __init__(
        self, screen: Callable[[], Screen], draw: Callable[[int, int], list[Line]], dispatcher: Dispatcher
    ) -> None:
        self._screen = screen
        self._act = dispatcher.act
        self.body = Body(draw, dispatcher.use_mouse, focusable=True)
        self.legend = Body(lambda width, _height: [legend.legend(screen(), width)], dispatcher.click_legend, height=1)
        self.line = Buffer(
            multiline=False,
            accept_handler=_accepting(dispatcher.run_line),
            history=prompt.history(),
            completer=prompt.GdbCompleter(dispatcher.request_completions),
        )
        self.entry = Buffer(multiline=False, accept_handler=_accepting(dispatcher.submit_entry))
        self.layout = self._layout()

    def focus(self) -> None:
        """Move prompt_toolkit's focus to the window that has the focus on the screen."""
        screen = self._screen()
        target: Any = self.body
        if screen.entry is not None:
            target = self.entry
            if self.entry.text != screen.entry.text:
                self.entry.set_document(Document(screen.entry.text))
        elif screen.focus == state.PROMPT:
            target = self.line
        if not self.layout.has_focus(target):
            self.layout.focus(target)

    def shown_beside_bodies(self) -> tuple[object, ...] | None:
        """Return what the windows between the bodies show; None while there is a menu or a search."""
        if self.line.complete_state is not None or self.layout.is_searching:
            return None
        self.line.load_history_if_not_yet_loaded()  # as prompt_toolkit does when it draws the line
        entry = self._screen().entry
        return (self._label(), self.line.document, entry and entry.kind, self.entry.document)

    def _label(self) -> str:
        return prompt_label(self._screen()._replace(clock=time.monotonic()))

    def _layout(self) -> Layout:
        is_entering = Condition(lambda: self._screen().entry is not None)
        search = SearchToolbar()
        line = _PromptControl(
            self.line,
            input_processors=[BeforeInput(self._label)],
            search_buffer_control=search.control,
            preview_search=True,
            focus=lambda: self._act("focus-prompt"),
        )
        entry = BufferControl(self.entry, input_processors=[BeforeInput(self._entry_label)])
        rows = HSplit(
            [
                self.body,
                search,
                ConditionalContainer(Window(line, height=1), ~is_entering),
                ConditionalContainer(Window(entry, height=1), is_entering),
                self.legend,
            ]
        )
        menu = Float(CompletionsMenu(max_height=MENU_LINES), xcursor=True, ycursor=True)
        return Layout(FloatContainer(rows, [menu]), focused_element=self.line)

    def _entry_label(self) -> str:
        entry = self._screen().entry
        return entry.kind if entry else ""


class _PromptControl(BufferControl):
    """The prompt's line. A click there moves the focus to it, and the cursor to the place of the click."""

    def __init__(self, *args: Any, focus: Callable[[], None], **options: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **options)
        self._focus_prompt = focus

    def mouse_handler(self, mouse_event: MouseEvent) -> NotImplementedOrNone:
        if mouse_event.event_type == MouseEventType.MOUSE_DOWN:
            self._focus_prompt()
        return super().mouse_handler(mouse_event)


def _accepting(use: Accept) -> Callable[[Buffer], bool]:
    """Return an accept handler that passes the text to `use`; prompt_toolkit then clears the line."""

    def accept(buffer: Buffer) -> bool:
        use(buffer.text)
        return False

    return accept
