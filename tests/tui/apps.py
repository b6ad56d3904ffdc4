"""The whole TUI in a thread of the test, on a terminal in memory: keys go in, and what pyte makes of it comes out."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pyte
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from pvhdbg import commands
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.session.recorded import RecordedSession
from pvhdbg.tui.app.app import Tui
from pvhdbg.tui.app.start import recording_screen
from pvhdbg.tui.screen.state import Screen
from tests.paths import RECORDINGS_DIR

SIZES = ((80, 24), (120, 40), (200, 60))
BOOT = "linux-6.1-microvm-initrd"
PATIENCE = 10.0
KEYS = {
    "F1": "\x1bOP",
    "F2": "\x1bOQ",
    "F4": "\x1bOS",
    "F5": "\x1b[15~",
    "F6": "\x1b[17~",
    "F9": "\x1b[20~",
    "F10": "\x1b[21~",
    "F11": "\x1b[23~",
    "S-F11": "\x1b[23;2~",
    "Enter": "\r",
    "Esc": "\x1b",
    "Tab": "\t",
    "S-Tab": "\x1b[Z",
    "Up": "\x1b[A",
    "Down": "\x1b[B",
    "Right": "\x1b[C",
    "Left": "\x1b[D",
    "PageUp": "\x1b[5~",
    "PageDown": "\x1b[6~",
    "Home": "\x1b[H",
    "End": "\x1b[F",
    "Backspace": "\x7f",
    **{f"Ctrl-{letter}": chr(ord(letter) - 0x40) for letter in "CDLQRUZ"},
    **{f"Alt-{number}": f"\x1b{number}" for number in range(1, 10)},
}


class Terminal(io.StringIO):
    """What a terminal makes of what is written to it, and everything that was, as `raw`."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__()
        self.raw = ""
        self.size = Size(height, width)
        self._screen = pyte.Screen(width, height)
        self._stream = pyte.Stream(self._screen)
        self._drawing = threading.Lock()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # of a terminal it is known
        return "utf-8"

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._drawing:
            self.raw += text
            self._stream.feed(text)
        return len(text)

    def resize(self, width: int, height: int) -> None:
        with self._drawing:
            self.size = Size(height, width)
            self._screen.resize(height, width)

    @property
    def lines(self) -> list[str]:
        with self._drawing:
            return [line.rstrip() for line in self._screen.display]


class Shown:
    """A TUI that runs."""

    def __init__(self, make: Callable[[], Tui], terminal: Terminal, keyboard: PipeInput) -> None:
        self.terminal = terminal
        self.error: BaseException | None = None
        self._last: list[str] = []
        self._make = make
        self._keyboard = keyboard
        self._made = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._made.wait(PATIENCE)

    def _run(self) -> None:
        output = Vt100_Output(self.terminal, lambda: self.terminal.size, term="xterm-256color")
        with create_app_session(input=self._keyboard, output=output):
            try:
                self.tui = self._make()
                self._made.set()
                self.tui.run()
            except BaseException as error:  # noqa: BLE001  for the test to look at
                self.error = error

    @property
    def screen(self) -> Screen:
        return self.tui.screen

    @property
    def lines(self) -> list[str]:
        """The screen; after `end` the last one before it."""
        return self._last or self.terminal.lines

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def keys(self, *names: str) -> None:
        """Keys by their names in KEYS, else as text; each is read before the next is typed."""
        for name in names:
            self._keyboard.send_text(KEYS.get(name, name))
            if name == "Esc":
                time.sleep(0.1)  # it is a key of its own only if nothing follows

    def resize(self, width: int, height: int) -> None:
        """As SIGWINCH, which comes to the main thread alone, would."""
        self.terminal.resize(width, height)
        assert self.tui.app.loop is not None
        self.tui.app.loop.call_soon_threadsafe(self.tui.app._on_resize)

    def wait(self, words: str) -> str:
        """The screen, once the words are on it."""
        return self.until(lambda: words in self.text, f"{words!r} is not on the screen")

    def wait_gone(self, words: str) -> str:
        return self.until(lambda: words not in self.text, f"{words!r} is still on the screen")

    def until(self, holds: Callable[[], bool], otherwise: str = "it never came") -> str:
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, f"{otherwise}:\n{self.text}"
            assert self._thread.is_alive() or holds(), (
                f"{otherwise}, and the TUI has ended: {self.error!r}\n{self.text}"
            )
            time.sleep(0.01)
        return self.text

    def wait_end(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), self.text

    def end(self) -> None:
        """Whatever it does."""
        self._last = self.terminal.lines
        loop = self.tui.app.loop
        if self._thread.is_alive() and loop is not None:
            loop.call_soon_threadsafe(self.tui.leave)
        self.wait_end()


@contextmanager
def shown(make: Callable[[], Tui], size: tuple[int, int] = (80, 24)) -> Iterator[Shown]:
    with create_pipe_input() as keyboard:
        running = Shown(make, Terminal(*size), keyboard)
        try:
            yield running
        finally:
            running.end()


def recorded(name: str = "linux-6.1-microvm-initrd", **fields: Any) -> Screen:  # noqa: ANN401 - whatever a Screen has
    """The screen of a recording."""
    path = RECORDINGS_DIR / f"{name}.json"
    return recording_screen(load(path), path.name)._replace(**fields)


def show(
    size: tuple[int, int] = (80, 24),
    name: str = BOOT,
    **fields: Any,  # noqa: ANN401 - whatever a Screen has
) -> AbstractContextManager[Shown]:
    """A recording on a terminal of that size; `fields` are the Screen's."""
    session = RecordedSession(load(RECORDINGS_DIR / f"{name}.json"))
    return shown(lambda: Tui(recorded(name, **fields), answer=lambda line: commands.run(session, line)), size)
