"""The TUI's front: keys to actions and requests, events to screens, screens to the terminal."""

from __future__ import annotations

import asyncio
import base64
import signal
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.layout.containers import ConditionalContainer, Float, FloatContainer, HSplit, Window
from prompt_toolkit.layout.controls import BufferControl
from prompt_toolkit.layout.layout import Layout
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.widgets import SearchToolbar

from pvhdbg.errors import UserError
from pvhdbg.live import console
from pvhdbg.tui import actions, events, frame, legend, peek, prompt, state
from pvhdbg.tui.body import Body
from pvhdbg.tui.keys import EVERYWHERE, KEYS, PANE, PROMPT
from pvhdbg.tui.state import Popup
from pvhdbg.tui.style import style
from pvhdbg.tui.update import appended, update

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_toolkit.input import Input
    from prompt_toolkit.key_binding import KeyPressEvent
    from prompt_toolkit.output import Output

    from pvhdbg.tui.line import Line
    from pvhdbg.tui.state import Screen
    from pvhdbg.tui.worker import Worker

REDRAWS_APART = 0.03
RUNS_FOR = 1.0
LEFT_TO_PROMPT_TOOLKIT = ("run", "history")
"""Actions of the prompt that its own line editing has."""
_LIVING = (state.STARTING, state.RUNNING, state.STOPPED)


class Tui:
    """The screen on a terminal. `worker` is null for a recording, which has no machine."""

    def __init__(
        self, screen: Screen, *, input: Input | None = None, output: Output | None = None  # noqa: A002
    ) -> None:
        self.screen = screen
        self.worker: Worker | None = None
        self._events: deque[events.Event] = deque()
        self._last_line = ""
        self._mouse = False
        self._body = Body(self._draw, self._wheel, focusable=True)
        self._line = self._prompt_buffer()
        self._entry = Buffer(multiline=False, accept_handler=self._typed)
        self.app: Application[None] = self._application(input, output)

    def run(self) -> None:
        """Until the user quits. Signals that end us end it like a key."""
        self.app.run(pre_run=self._before, handle_sigint=False)

    def _draw(self, width: int, height: int) -> list[Line]:
        return frame.frame(self.screen._replace(clock=time.monotonic()), width, height)

    def emit(self, event: events.Event) -> None:
        """An event, from any thread."""
        self._events.append(event)
        loop = self.app.loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._drain)

    def _before(self) -> None:
        self._drain()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._leave, SystemExit(128 + number))
        self.app.create_background_task(self._tick())

    async def _tick(self) -> None:
        """The time a guest has run is on the screen."""
        while True:
            await asyncio.sleep(RUNS_FOR)
            if self.screen.run.kind == state.RUNNING:
                self.app.invalidate()

    def _drain(self) -> None:
        while self._events:
            event = self._events.popleft()
            self.screen = update(self.screen, event)
            if isinstance(event, events.Left) and event.error is not None:
                self._leave(event.error)
        self._fetch()
        self.app.invalidate()

    def _leave(self, error: BaseException | None = None) -> None:
        """End the application; its caller gets the error."""
        if self.app.is_running and self.app.future is not None and not self.app.future.done():
            if error is None:
                self.app.exit()
            else:
                self.app.exit(exception=error)

    def _show(self, screen: Screen) -> None:
        """A screen that a key made: focus and reading follow it."""
        self.screen = screen
        self._fetch()
        self._focus()
        self.app.invalidate()

    def _focus(self) -> None:
        wanted: Any = self._body
        if self.screen.entry is not None:
            wanted = self._entry
        elif self.screen.focus == state.PROMPT:
            wanted = self._line
        self.app.layout.focus(wanted)

    def _fetch(self) -> None:
        """Read what the bytes view waits for: the machine's thread does for now, the capture has the past."""
        wanted, seen = self.screen.wanted, self.screen.looked_at
        if wanted is None or seen is None:
            return
        self.screen = self.screen._replace(wanted=None)
        if self.worker is None or self.screen.past is not None:
            found = peek.recorded(seen, self.screen.image, wanted.place, wanted.size)
            self.screen = self.screen._replace(bytes=found)
        else:
            self.worker.peek(lambda bench: peek.live(bench, seen, wanted.place, wanted.size))

    def _act(self, name: str) -> None:
        """What a key means: for the machine, for the terminal, or for the screen."""
        if name in self._effects:
            self._effects[name]()
        else:
            self._show(actions.act(name, self.screen._replace(message=""), actions.Size(*self._body.size)))

    @property
    def _effects(self) -> dict[str, Callable[[], None]]:
        return {
            "continue": lambda: self._resume("continue"),
            "next": lambda: self._resume("next"),
            "step": lambda: self._resume("step"),
            "stepi": lambda: self._resume("stepi"),
            "finish": lambda: self._resume("finish"),
            "next-stage": self._next_stage,
            "restart": self._restart,
            "breakpoint": self._breakpoint,
            "interrupt": self._interrupt,
            "quit": self._quit,
            "copy": self._copy,
            "mouse": self._toggle_mouse,
            "complete": self._complete,
            "suspend": self._suspend,
        }

    def _say(self, words: str) -> None:
        self._show(self.screen._replace(message=words))

    def _machine(self) -> Worker | None:
        if self.worker is None:
            self._say("this is a recording: there is no machine to run")
        return self.worker

    def _resume(self, verb: str) -> None:
        if (worker := self._machine()) is None:
            return
        if self.screen.run.kind == state.DEAD:
            self._say("the guest is dead: F4 starts it again")
        else:
            worker.resume(verb)

    def _next_stage(self) -> None:
        if (worker := self._machine()) is not None:
            worker.next_stage()

    def _restart(self) -> None:
        if (worker := self._machine()) is not None:
            self._interrupt_guest()
            worker.restart()

    def _breakpoint(self) -> None:
        if (worker := self._machine()) is not None:
            row = actions.selected(self.screen) if self.screen.view == state.CODE else None
            worker.breakpoint(row.address if row else None)

    def _interrupt_guest(self) -> None:
        if self.worker is not None and self.screen.run.kind == state.RUNNING:
            self.worker.interrupt()

    def _interrupt(self) -> None:
        """Ctrl-C: the guest if it runs, else the line that is being typed."""
        if self.worker is not None and self.screen.continued:
            self.worker.more(None)
        elif self.worker is not None and (self.screen.run.kind == state.RUNNING or self.screen.queued):
            self.worker.interrupt()
        self._line.reset()

    def _quit(self) -> None:
        """At once, but asked for once more while a guest of ours lives."""
        asked = self.screen.popup is not None and self.screen.popup.kind == "quit"
        if asked or self.worker is None or self.screen.run.kind not in _LIVING:
            self._leave()
        else:
            self._show(self.screen._replace(popup=Popup("quit")))

    def _copy(self) -> None:
        """By OSC 52: the terminal puts it on the clipboard, over ssh too."""
        words = actions.copied(self.screen)
        coded = base64.b64encode(words.encode()).decode()
        self.app.output.write_raw(f"\x1b]52;c;{coded}\x07")
        self.app.output.flush()
        self._say(f"copied: {words}" if words else "nothing to copy")

    def _toggle_mouse(self) -> None:
        self._mouse = not self._mouse
        self._say("the mouse is on" if self._mouse else "the mouse is off")

    def _suspend(self) -> None:
        self.app.suspend_to_background()

    def _wheel(self, action: str) -> None:
        self._act(action)

    def _complete(self) -> None:
        """Tab at the prompt; on an empty line there is nothing to complete."""
        if not self._line.text:
            self._act("focus-next")
        elif self._line.complete_state:
            self._line.complete_next()
        else:
            self._line.start_completion(select_first=False)

    def _accept(self, buffer: Buffer) -> bool:
        """A line typed at the prompt; False: it is not kept in the buffer."""
        line = buffer.text
        if self.worker is not None and self.screen.continued:
            self._echo("> ", line)
            self.worker.more(line)
            return False
        if not line.strip():
            line = prompt.repeated(self._last_line)
        if line.strip():
            self._last_line = line
            self._echo("(gdb) ", line)
            self._command(line)
        return False

    def _echo(self, sign: str, line: str) -> None:
        self.screen = self.screen._replace(output=appended(self.screen.output, f"{sign}{line}\n"), output_top=None)

    def _command(self, line: str) -> None:
        if (worker := self._machine()) is None:
            return
        try:
            meaning = console.meaning(line)
        except UserError as error:
            self.emit(events.Said(str(error), error.hint))
            return
        if meaning == console.QUIT:
            self._leave()
        else:
            worker.command(line)

    def _typed(self, buffer: Buffer) -> bool:
        self._show(actions.typed(self.screen, buffer.text))
        return False

    def _prompt_buffer(self) -> Buffer:
        return Buffer(
            multiline=False,
            accept_handler=self._accept,
            history=prompt.history(),
            completer=prompt.GdbCompleter(self._ask_completions),
        )

    def _ask_completions(self, text: str, answer: Callable[[list[str]], None]) -> None:
        if self.worker is None or self.screen.run.kind == state.RUNNING:
            answer([])
        else:
            self.worker.complete(text, answer)

    def _label(self) -> str:
        if self.screen.continued:
            return "> "
        if self.screen.run.kind == state.RUNNING:
            return "(running) "
        return "(gdb, loading symbols) " if self.screen.symbols == state.LOADING else "(gdb) "

    def _application(self, terminal_input: Input | None, output: Output | None) -> Application[None]:
        application: Application[None] = Application(
            layout=self._layout(),
            key_bindings=self._bindings(),
            style=style(),
            full_screen=True,
            mouse_support=Condition(lambda: self._mouse),
            min_redraw_interval=REDRAWS_APART,
            input=terminal_input,
            output=output,
        )
        application.ttimeoutlen = 0.05
        application.timeoutlen = 0.3
        return application

    def _layout(self) -> Layout:
        entering = Condition(lambda: self.screen.entry is not None)
        search = SearchToolbar()
        line = BufferControl(
            self._line, input_processors=[BeforeInput(self._label)], search_buffer_control=search.control
        )
        entry = BufferControl(self._entry, input_processors=[BeforeInput(self._entry_label)])
        keys = Body(lambda width, _height: [legend.legend(self.screen, width)], self._wheel)
        rows = HSplit(
            [
                Window(self._body),
                search,
                ConditionalContainer(Window(line, height=1), ~entering),
                ConditionalContainer(Window(entry, height=1), entering),
                Window(keys, height=1),
            ]
        )
        menu = Float(CompletionsMenu(max_height=8), xcursor=True, ycursor=True)
        return Layout(FloatContainer(rows, [menu]), focused_element=self._line)

    def _entry_label(self) -> str:
        return self.screen.entry.kind if self.screen.entry else ""

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        scopes = {
            EVERYWHERE: Condition(lambda: True),
            PANE: Condition(lambda: self.screen.focus != state.PROMPT and self.screen.entry is None),
            PROMPT: Condition(lambda: self.screen.focus == state.PROMPT and self.screen.entry is None),
        }
        for key in KEYS:
            if key.action not in LEFT_TO_PROMPT_TOOLKIT:
                bindings.add(*key.names, filter=scopes[key.scope] & self._applies(key.action))(self._bound(key.action))
        return bindings

    def _applies(self, action: str) -> Condition:
        """Ctrl-D quits on an empty line alone; in the entry line Esc goes back."""
        if action == "quit":
            return Condition(lambda: self.screen.focus != state.PROMPT or not self._line.text or self._asked_to_quit)
        return Condition(lambda: True)

    @property
    def _asked_to_quit(self) -> bool:
        return self.screen.popup is not None

    def _bound(self, action: str) -> Callable[[KeyPressEvent], None]:
        return lambda _event: self._act(action)
