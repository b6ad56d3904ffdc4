"""The TUI's front: events to screens, and screens to the terminal."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prompt_toolkit.application import Application
from prompt_toolkit.filters import Condition

from pvhdbg.tui.app import style
from pvhdbg.tui.app.bindings import bindings
from pvhdbg.tui.app.dispatcher import Dispatcher
from pvhdbg.tui.app.windows import Windows
from pvhdbg.tui.draw import frame
from pvhdbg.tui.machine import memory_view
from pvhdbg.tui.screen import events, state
from pvhdbg.tui.screen.state import Entry
from pvhdbg.tui.screen.update import merged, update

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_toolkit.buffer import Buffer

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.machine.terminal import Terminal
    from pvhdbg.tui.machine.worker import Worker
    from pvhdbg.tui.screen.line import Line
    from pvhdbg.tui.screen.state import Screen, Wanted

DRAINS_APART = 0.03
RUNS_FOR = 1.0
ESCAPE_ALONE, SEQUENCE_ENDS = 0.05, 0.1
"""Seconds after which an Esc was a key, and after which it was not the first of several."""

_SHOWN_AFTER = {events.Ran: 0.1, events.Queued: 0.15, events.Busy: 0.3}
"""Seconds that what is soon over must last to be shown: what flickers can't be read."""
_ENDING: dict[signal.Signals, BaseException] = {
    signal.SIGINT: KeyboardInterrupt(),
    signal.SIGTERM: SystemExit(128 + signal.SIGTERM),
    signal.SIGHUP: SystemExit(128 + signal.SIGHUP),
}
_OVER = (events.Stopped, events.Lost, events.Left)


class Tui:
    """The screen on a terminal. `worker` is null for a recording, which has no machine: `answer` takes its prompt's
    lines. `terminal` is what is given back if we are killed.
    """

    def __init__(
        self,
        screen: Screen,
        worker: Worker | None = None,
        *,
        answer: Callable[[str], str] | None = None,
        terminal: Terminal | None = None,
    ) -> None:
        self.screen = screen
        self.worker = worker
        self._terminal = terminal
        self._error: BaseException | None = None
        self._events: deque[events.Event] = deque()
        self._is_drain_due = False
        self._drained = 0.0
        self._held: dict[type, asyncio.TimerHandle] = {}
        self._doing = Dispatcher(self, answer)
        self.windows = Windows(lambda: self.screen, self._draw, self._doing)
        self.windows.entry.on_text_changed += self._keep_entry
        self.app = self._application()

    def run(self) -> None:
        """Until the user quits. Signals that end us end it like a key.

        :raise BaseException: what else ended it, after the terminal was given back.
        """
        with suppress(EOFError):  # the terminal has gone
            self.app.run(pre_run=self._before, handle_sigint=False, set_exception_handler=False)
        if self._error is not None:
            raise self._error

    def emit(self, event: events.Event) -> None:
        """An event, from any thread."""
        self._events.append(event)
        loop = self.app.loop
        if loop is not None and not self._is_drain_due:
            self._is_drain_due = True
            with suppress(RuntimeError):  # it was closed just now
                loop.call_soon_threadsafe(self._drain_in_time)

    def leave(self, error: BaseException | None = None) -> None:
        """End the application; `run` raises the error."""
        if self.app.future is not None and not self.app.future.done():
            self._error = error
            self.app.exit()

    def show(self, screen: Screen) -> None:
        """A screen that a key made: focus and reading follow it."""
        self.screen = screen
        self._fetch()
        self.windows.focus()
        self.app.invalidate()

    def say(self, words: str) -> None:
        self.show(self.screen._replace(message=words))

    def keep_terminal(self, *, kept: bool) -> None:
        """Whether the terminal is given back if we are killed."""
        if self.worker is not None:
            self.worker.keep_terminal(self._terminal if kept else None)

    def _application(self) -> Application[None]:
        """On the terminal that we were started on, or what `create_app_session` says."""
        application: Application[None] = Application(
            layout=self.windows.layout,
            key_bindings=bindings(
                lambda: self.screen, self._doing.act, line_is_empty=lambda: not self.windows.line.text
            ),
            style=style.style(),
            color_depth=style.depth(),
            full_screen=True,
            mouse_support=Condition(lambda: self._doing.has_mouse),
        )
        application.ttimeoutlen = ESCAPE_ALONE
        application.timeoutlen = SEQUENCE_ENDS
        application.key_processor.before_key_press += self._forget_message
        return application

    def _forget_message(self, _sender: object) -> None:
        """A message shows until the next key."""
        self.screen = self.screen._replace(message="")

    def _keep_entry(self, buffer: Buffer) -> None:
        if self.screen.entry is not None:
            self.screen = self.screen._replace(entry=Entry(self.screen.entry.kind, buffer.text))

    def _before(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._broke)
        for number, error in _ENDING.items():
            with suppress(ValueError, RuntimeError):  # in a thread there are no signals
                loop.add_signal_handler(number, self.leave, error)
        self.app.create_background_task(self._tick())
        self.windows.focus()
        self._drain()

    def _broke(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A bug of ours in a key or a pane: its traceback is worth more than a screen that lies."""
        self.leave(context.get("exception") or RuntimeError(context.get("message")))

    async def _tick(self) -> None:
        """How long a guest has run, or is waited for, is on the screen."""
        while True:
            await asyncio.sleep(RUNS_FOR)
            if self.screen.run.kind in (state.STARTING, state.RUNNING):
                self.app.invalidate()

    def _draw(self, width: int, height: int) -> list[Line]:
        return frame.frame(self.screen._replace(clock=time.monotonic()), width, height)

    def _drain_in_time(self) -> None:
        """Keys are drawn at once; of events many may come, and nobody reads more than so many pictures a second."""
        loop = asyncio.get_running_loop()
        loop.call_later(max(self._drained + DRAINS_APART - loop.time(), 0.0), self._drain)

    def _drain(self) -> None:
        self._drained = asyncio.get_running_loop().time()
        self._is_drain_due = False
        for event in merged([self._events.popleft() for _ in range(len(self._events))]):
            self._take(event)
        self._fetch()
        self.app.invalidate()

    def _take(self, event: events.Event) -> None:
        """What may be over in a moment is shown only if it is not."""
        kind = type(event)
        for over in (kind, events.Ran) if kind in _OVER else (kind,):
            if over in self._held:
                self._held.pop(over).cancel()
        if kind in _SHOWN_AFTER and any(event):
            self._held[kind] = asyncio.get_running_loop().call_later(_SHOWN_AFTER[kind], self._apply, event)
        else:
            self._apply(event)

    def _apply(self, event: events.Event) -> None:
        self.screen = update(self.screen, event)
        if isinstance(event, events.Left):
            self.leave(event.error)
        self.app.invalidate()

    def _fetch(self) -> None:
        """Read what the bytes view waits for: the machine's thread does for now, the capture has the past."""
        wanted, seen, shown = self.screen.wanted, self.screen.looked_at, self.screen.bytes
        if wanted is None or seen is None:
            return
        self.screen = self.screen._replace(wanted=None)
        if self.worker is None:
            self._apply(memory_view.event(seen, self.screen.image, wanted, shown))
        elif self.screen.past is None:
            self.worker.peek(lambda debuggee: memory_view.live(debuggee, seen, wanted, shown))
        else:
            self._look_up(self.worker, seen, wanted)

    def _look_up(self, worker: Worker, seen: Capture, wanted: Wanted) -> None:
        """In a thread of its own: symbols are sought in half a gigabyte, and the machine's thread may wait for long."""
        image, shown = self.screen.image, self.screen.bytes

        def look() -> None:
            try:
                self.emit(memory_view.event(seen, image, wanted, shown, worker.symbol))
            except BaseException as error:  # noqa: BLE001  raised again by `run`
                self.emit(events.Left(error))

        threading.Thread(target=look, name="pvhdbg-look-up", daemon=True).start()
