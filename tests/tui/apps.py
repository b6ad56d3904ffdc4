"""The whole TUI in a thread, on a terminal in memory: tests type keys and read the screen that pyte emulates."""

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
TIMEOUT = 60.0
KEYS = {
    "F1": "\x1bOP",
    "F2": "\x1bOQ",
    "F3": "\x1bOR",
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
    **{f"Ctrl-{letter}": chr(ord(letter) - 0x40) for letter in "CDLPQRUZ"},
    **{f"Alt-{digit}": f"\x1b{digit}" for digit in "1234567890"},
}


class Terminal(io.StringIO):
    """An emulated terminal. `lines` is its screen, and `raw` is everything written to it."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__()
        self.raw = ""
        self.size = Size(height, width)
        self._screen = pyte.Screen(width, height)
        self._stream = pyte.Stream(self._screen)
        self._drawing = threading.Lock()
        self._lines: list[str] | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]  # StringIO has none
        return "utf-8"

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._drawing:
            self.raw += text
            self._stream.feed(text)
            self._lines = None
        return len(text)

    def resize(self, width: int, height: int) -> None:
        with self._drawing:
            self.size = Size(height, width)
            self._screen.resize(height, width)
            self._lines = None

    @property
    def lines(self) -> list[str]:
        """The text on the screen. A test that waits looks often, and pyte needs milliseconds to make it."""
        with self._drawing:
            if self._lines is None:
                self._lines = [line.rstrip() for line in self._screen.display]
            return self._lines


class RunningTui:
    """A running TUI, its terminal and its keyboard."""

    def __init__(self, make: Callable[[], Tui], terminal: Terminal, keyboard: PipeInput) -> None:
        self.terminal = terminal
        self.error: BaseException | None = None
        self._last: list[str] = []
        self._make = make
        self._keyboard = keyboard
        self._made = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._made.wait(TIMEOUT)

    def _run(self) -> None:
        output = Vt100_Output(self.terminal, lambda: self.terminal.size, term="xterm-256color")
        with create_app_session(input=self._keyboard, output=output):
            try:
                self.tui = self._make()
                self._made.set()
                self.tui.run()
            except BaseException as error:  # noqa: BLE001  tests look at it
                self.error = error

    @property
    def screen(self) -> Screen:
        return self.tui.screen

    @property
    def lines(self) -> list[str]:
        """The lines on the screen or, after `end`, the last lines before the end."""
        return self._last or self.terminal.lines

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def keys(self, *names: str) -> None:
        """Type keys, given by their names in KEYS, or text."""
        for name in names:
            self._keyboard.send_text(KEYS.get(name, name))
            if name == "Esc":
                time.sleep(0.1)  # otherwise Esc would begin an escape sequence

    def resize(self, width: int, height: int) -> None:
        """Resize the terminal, and do what SIGWINCH does, because only the main thread would get that signal."""
        self.terminal.resize(width, height)
        assert self.tui.app.loop is not None
        self.tui.app.loop.call_soon_threadsafe(self.tui.app._on_resize)

    def wait(self, words: str) -> str:
        """Wait until the words are on the screen, and return it."""
        return self.until(lambda: words in self.text, f"{words!r} is not on the screen")

    def wait_gone(self, words: str) -> str:
        return self.until(lambda: words not in self.text, f"{words!r} is still on the screen")

    def until(self, holds: Callable[[], bool], otherwise: str = "timed out") -> str:
        end = time.monotonic() + TIMEOUT
        while not (done := holds()) and self._thread.is_alive() and time.monotonic() < end:
            time.sleep(0.01)
        why = "" if self._thread.is_alive() else f", because the TUI has ended: {self.error!r}"
        assert done or holds(), f"{otherwise}{why}\n{self.text}"
        return self.text

    def wait_end(self) -> None:
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive(), self.text

    def end(self) -> None:
        """End the TUI in any state."""
        self._last = self.terminal.lines
        loop = self.tui.app.loop
        if self._thread.is_alive() and loop is not None:
            loop.call_soon_threadsafe(self.tui.leave)
        self.wait_end()


@contextmanager
def shown(make: Callable[[], Tui], size: tuple[int, int] = (80, 24)) -> Iterator[RunningTui]:
    with create_pipe_input() as keyboard:
        running = RunningTui(make, Terminal(*size), keyboard)
        try:
            yield running
        finally:
            running.end()


def recorded(name: str = BOOT, **fields: Any) -> Screen:  # noqa: ANN401 - a Screen's fields
    """Return the first screen of a recording. `fields` replace fields of the Screen."""
    path = RECORDINGS_DIR / f"{name}.json"
    return recording_screen(load(path), path.name)._replace(**fields)


def show(
    size: tuple[int, int] = (80, 24),
    name: str = BOOT,
    **fields: Any,  # noqa: ANN401 - a Screen's fields
) -> AbstractContextManager[RunningTui]:
    """Run the TUI over a recording, on a terminal of this size. `fields` replace fields of the first Screen."""
    session = RecordedSession(load(RECORDINGS_DIR / f"{name}.json"))
    return shown(lambda: Tui(recorded(name, **fields), answer=lambda line: commands.run(session, line)), size)
