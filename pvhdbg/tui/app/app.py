"""The application: updates the screen by events, and draws it on the terminal."""

from __future__ import annotations

import asyncio
import io
import os
import threading
import time
from collections import deque
from contextlib import redirect_stderr, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from prompt_toolkit.application import Application, get_app_session
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition

from pvhdbg.tui.app import style
from pvhdbg.tui.app.bindings import bindings
from pvhdbg.tui.app.dispatcher import Dispatcher
from pvhdbg.tui.app.files import settings
from pvhdbg.tui.app.popups import searched
from pvhdbg.tui.app.prompt_label import prompt_label
from pvhdbg.tui.app.render.changed_rows import draw_changed_rows
from pvhdbg.tui.app.render.renderer import BodyRenderer
from pvhdbg.tui.app.tour import place
from pvhdbg.tui.app.windows import Windows
from pvhdbg.tui.draw import frame, legend
from pvhdbg.tui.draw.layout import Size
from pvhdbg.tui.events import events
from pvhdbg.tui.events.news import mark_read
from pvhdbg.tui.events.update import merge_output, update
from pvhdbg.tui.lines.line import clean
from pvhdbg.tui.machine import memory_view, terminal
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.by_id import ById

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.app.tour.guide import Boots
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.machine.terminal import Terminal
    from pvhdbg.tui.machine.worker import Worker
    from pvhdbg.tui.screen.state import MemoryRequest, Screen

UPDATE_INTERVAL = 0.03
"""The shortest time between two screens made by events, in seconds."""
CLOCK_INTERVAL = 1.0
ESCAPE_TIMEOUT, SEQUENCE_TIMEOUT = 0.005, 0.1
"""Seconds to wait after Esc for the rest of an escape sequence, and for the key of a combination such as Alt-1."""
NETWORK_TIMEOUT = 0.05
"""ESCAPE_TIMEOUT over SSH, where the bytes of a sequence may arrive one by one. A local terminal does not wait."""

_DELAYS = {events.GuestRuns: 0.1, events.QueueLength: 0.15, events.GdbBusy: 0.3}
"""Seconds that a state must last before it is shown, so that short ones don't make the screen flicker."""
_ENDS_RUNNING = (events.GuestStopped, events.MachineLost, events.ThreadEnded)


def use_terminal() -> None:
    """Make the terminal the one that prompt_toolkit uses, once it belongs to pvhdbg.

    :raise EOFError: if it was closed. prompt_toolkit only prints a warning.
    """
    terminal.wait_foreground()
    with redirect_stderr(io.StringIO()):
        get_app_session().input  # noqa: B018  it is made on first use
    terminal.check_open()


class _Application(Application[None]):
    """An application with one empty buffer for all panes, which draws at once.

    While a pane has the focus, prompt_toolkit would create a new buffer each time it asks for the current one.
    """

    def invalidate(self) -> None:
        """Draw soon, before the event loop runs timers. Only the thread of the event loop may call this."""
        if self.is_running and self.loop is not None and not self._invalidated:
            self._invalidated = True
            self.loop.call_soon(self._draw)

    def _draw(self) -> None:
        """Draw the bodies or, if that is not enough, all windows. prompt_toolkit then also looks for other windows."""
        self._invalidated = False
        if self._draws_bodies():
            self.after_render.fire()
        else:
            self._redraw()

    def _draws_bodies(self) -> bool:
        if not self.is_running or self._running_in_terminal or self.context is None:
            return False
        return isinstance(self.renderer, BodyRenderer) and self.context.copy().run(
            self.renderer.draw_bodies, self.layout
        )

    @cached_property
    def _no_buffer(self) -> Buffer:
        return Buffer(name="no buffer")

    @property
    def current_buffer(self) -> Buffer:
        if (focused := self.layout.current_buffer) is not None:
            return focused
        if self._no_buffer.text:
            self._no_buffer.reset()
        return self._no_buffer


class Tui:
    """The TUI on a terminal.

    `worker` is None for a recording, which has no machine; `answer` then runs the prompt's lines. `terminal` is
    restored if pvhdbg is killed. `boots` are the boots of the tour, if the user takes it.
    """

    def __init__(
        self,
        screen: Screen,
        worker: Worker | None = None,
        *,
        answer: Callable[[str], str] | None = None,
        terminal: Terminal | None = None,
        boots: Boots | None = None,
    ) -> None:
        self.screen = screen._replace(zoomed=settings.load().zoomed)
        self.worker = worker
        self._terminal = terminal
        self._error: BaseException | None = None
        self._events: deque[events.Event] = deque()
        self._is_update_due = False
        self._updated = 0.0
        self._drawn: tuple[tuple[ById[Screen], int, int], list[Line]] | None = None
        self._delayed: dict[type, asyncio.TimerHandle] = {}
        self.dispatcher = Dispatcher(self, answer, boots)
        self.windows = Windows(lambda: self.screen, self._draw, self.dispatcher)
        self.windows.entry.on_text_changed += self._keep_entry
        self.app = self._application()

    def run(self) -> None:
        """Run until the user quits.

        :raise EOFError: if the terminal was closed; also OSError or termios.error.
        :raise BaseException: the signal, bug or error of the machine that ended it. The terminal is already restored.
        """
        self.app.run(pre_run=self._prepare, handle_sigint=False, set_exception_handler=False)
        if self._error is not None:
            raise self._error

    def emit(self, event: events.Event) -> None:
        """Queue an event. Any thread may call this."""
        self._events.append(event)
        loop = self.app.loop
        if loop is not None and not self._is_update_due:
            self._is_update_due = True
            with suppress(RuntimeError):  # the loop was just closed
                loop.call_soon_threadsafe(self._schedule_update)

    def leave(self, error: BaseException | None = None) -> None:
        """End the application. `run` then raises `error`, if there is one."""
        if self.app.future is not None and not self.app.future.done():
            self._error = error
            self.app.exit()

    def show(self, screen: Screen) -> None:
        """Make this the current screen: move the focus, and read the memory that it needs."""
        self.screen = mark_read(screen)
        self._read_requested_memory()
        self.windows.focus()
        self.app.invalidate()

    def say(self, message: str) -> None:
        """Show a message until the next key."""
        self.show(self.screen._replace(message=message))

    def lines(self) -> list[Line]:
        """Return the lines of the screen: the panes, the prompt and the legend."""
        width, height = self.windows.body.size
        prompt: Line = [("", f"{prompt_label(self.screen)}{clean(self.line.text)}")]
        return [*self._draw(width, height), prompt, legend.legend(self.screen, width)]

    @property
    def size(self) -> Size:
        """The size of the panes."""
        return Size(*self.windows.body.size)

    @property
    def line(self) -> Buffer:
        """The line being typed at the prompt."""
        return self.windows.line

    def write_to_terminal(self, data: str) -> None:
        """Send characters to the terminal as they are."""
        self.app.output.write_raw(data)
        self.app.output.flush()

    def protect_terminal(self, *, protected: bool) -> None:
        """Choose whether the watcher restores the terminal if pvhdbg is killed."""
        if self.worker is not None:
            self.worker.protect_terminal(self._terminal if protected else None)

    def _application(self) -> Application[None]:
        """Return the application, on pvhdbg's terminal or on the one of prompt_toolkit's `create_app_session`."""
        draw_changed_rows()
        application = _Application(
            layout=self.windows.layout,
            key_bindings=bindings(
                lambda: self.screen, self.dispatcher.act, line_is_empty=lambda: not self.windows.line.text
            ),
            style=style.style(self.screen.theme),
            color_depth=style.depth(),
            full_screen=True,
            mouse_support=Condition(lambda: self.dispatcher.has_mouse),
        )
        bodies = (self.windows.body, self.windows.legend)
        application.renderer = BodyRenderer(application.renderer, bodies, self.windows.shown_beside_bodies)
        application.ttimeoutlen = NETWORK_TIMEOUT if "SSH_CONNECTION" in os.environ else ESCAPE_TIMEOUT
        application.timeoutlen = SEQUENCE_TIMEOUT
        application.key_processor.before_key_press += self._forget_message
        return application

    def _forget_message(self, _sender: object) -> None:
        if self.screen.message:
            self.screen = self.screen._replace(message="")

    def _keep_entry(self, buffer: Buffer) -> None:
        self.screen = searched.typed(self.screen, buffer.text)

    def _prepare(self) -> None:
        asyncio.get_running_loop().set_exception_handler(self._leave_with_bug)
        self.app.create_background_task(self._redraw_clock())
        self.windows.focus()
        self.dispatcher.guide.begin()
        self._update()

    def _leave_with_bug(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End the application after a bug in a key or a pane: its traceback helps more than a wrong screen."""
        self.leave(context.get("exception") or RuntimeError(context.get("message")))

    async def _redraw_clock(self) -> None:
        """Redraw the elapsed time while the guest starts or runs, and during long work."""
        while True:
            await asyncio.sleep(CLOCK_INTERVAL)
            if self._shows_time:
                self.app.invalidate()

    @property
    def _shows_time(self) -> bool:
        screen = self.screen
        is_working = screen.busy or screen.symbols == state.LOADING
        return is_working or screen.run.kind in (state.STARTING, state.RUNNING)

    def _draw(self, width: int, height: int) -> list[Line]:
        """Draw the panes, or return the last ones: what is typed at the prompt changes no pane."""
        what = (ById(self.screen), width, height)
        if self._shows_time or self._drawn is None or self._drawn[0] != what:
            screen = self.screen._replace(clock=time.monotonic()) if self._shows_time else self.screen
            lines = frame.frame(screen, width, height)
            self._drawn = (what, lines)
        return self._drawn[1]

    def _schedule_update(self) -> None:
        """Apply the queued events soon, but not too often: many may come. Keys are drawn at once."""
        loop = asyncio.get_running_loop()
        loop.call_later(max(self._updated + UPDATE_INTERVAL - loop.time(), 0.0), self._update)

    def _update(self) -> None:
        self._updated = asyncio.get_running_loop().time()
        self._is_update_due = False
        for event in merge_output([self._events.popleft() for _ in range(len(self._events))]):
            self._apply_or_delay(event)
        self._read_requested_memory()
        self.app.invalidate()

    def _apply_or_delay(self, event: events.Event) -> None:
        """Apply an event, or delay it if its state may last only a moment. Cancel delayed events that it outdates."""
        kind = type(event)
        for outdated in (kind, events.GuestRuns) if kind in _ENDS_RUNNING else (kind,):
            if outdated in self._delayed:
                self._delayed.pop(outdated).cancel()
        if kind in _DELAYS and any(event):
            self._delayed[kind] = asyncio.get_running_loop().call_later(_DELAYS[kind], self._apply, event)
        else:
            self._apply(event)

    def _apply(self, event: events.Event) -> None:
        self.screen = place.arrived(update(self.screen, event))
        if isinstance(event, events.ThreadEnded | events.ExitRequested):
            self.leave(event.error)
        self.app.invalidate()

    def _read_requested_memory(self) -> None:
        """Read the memory that the bytes view waits for: from the machine, or from the capture of a past stage."""
        request, capture, shown = self.screen.memory_request, self.screen.capture, self.screen.bytes
        if request is None or capture is None:
            return
        self.screen = self.screen._replace(memory_request=None)
        if self.worker is None:
            moment, trace = self.screen.moment, self.screen.trace
            memory = trace.memory_at(moment.step) if trace and moment else capture.memory
            event = memory_view.captured_event(capture._replace(memory=memory), self.screen.image, request, shown)
            self._apply(event._replace(past=capture) if isinstance(event, events.MemoryRead) else event)
        elif self.screen.past is None:
            self.worker.read_memory(lambda debuggee: memory_view.read_live(debuggee, capture, request, shown))
        else:
            self._read_captured_memory(self.worker, capture, request)

    def _read_captured_memory(self, worker: Worker, capture: Capture, request: MemoryRequest) -> None:
        """Read memory of a past stage in a separate thread.

        Finding a symbol may take a search through half a gigabyte, and the machine's thread may be busy for long.
        """
        image, shown = self.screen.image, self.screen.bytes

        def read() -> None:
            try:
                self.emit(memory_view.captured_event(capture, image, request, shown, worker.symbol))
            except BaseException as error:  # noqa: BLE001  `run` raises it again
                self.emit(events.ThreadEnded(error))

        threading.Thread(target=read, name="pvhdbg-past-memory", daemon=True).start()
