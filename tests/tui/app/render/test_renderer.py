"""The terminal shows the same as after a redraw of the whole screen, although most keys draw only the bodies."""

from __future__ import annotations

import random
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding.key_processor import KeyPress, _Flush
from prompt_toolkit.renderer import Renderer

from pvhdbg.tui.app.app import _Application
from tests.tui.apps import KEYS, TIMEOUT, RunningTui, show

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = (120, 40)
FRAMES = 15
IN_PANES = (
    *("Down", "Up", "PageDown", "PageUp", "Home", "End", "Left", "Right", "Enter", "Backspace", "Tab", "S-Tab"),
    *("F1", "F2", "F3", "F6", "Esc", "/", ":"),
    *"1234567890dzZn?",
)
AT_PROMPT = ("p", "h", " ", "Backspace", "Ctrl-R", "Up", "Enter", "Left", "Alt-2", "Alt-6")


@pytest.fixture
def whole_frames(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Count the frames that prompt_toolkit draws as a whole."""
    drawn: list[None] = []
    draw = Renderer.render

    def render(*arguments: Any) -> None:  # noqa: ANN401 - those of prompt_toolkit
        drawn.append(None)
        draw(*arguments)

    monkeypatch.setattr(Renderer, "render", render)
    return drawn


def in_loop(tui: RunningTui, run: Callable[[], None]) -> None:
    """Run a function in the thread of the application, and wait for its end."""
    done: Future[None] = Future()

    def run_in_context() -> None:
        try:
            assert tui.tui.app.context is not None
            tui.tui.app.context.copy().run(run)
        except BaseException as error:  # noqa: BLE001 - the test raises it
            done.set_exception(error)
        else:
            done.set_result(None)

    assert tui.tui.app.loop is not None
    tui.tui.app.loop.call_soon_threadsafe(run_in_context)
    done.result(TIMEOUT)


def press(tui: RunningTui, *names: str) -> None:
    """Press keys and draw, without waiting for the timers that separate Esc from the other keys."""
    keys: list[KeyPress] = []
    for name in names:
        parser = Vt100Parser(keys.append)
        parser.feed(KEYS.get(name, name))
        parser.flush()
        keys.append(_Flush)

    def run() -> None:
        tui.tui.app.key_processor.feed_multiple(keys)
        tui.tui.app.key_processor.process_keys()
        draw(tui)

    in_loop(tui, run)


def draw(tui: RunningTui) -> None:
    assert isinstance(tui.tui.app, _Application)
    tui.tui.app._draw()


def cells(tui: RunningTui) -> list[list[Any]]:
    """Return the cells of the terminal. Of a blank, only what can be seen."""
    buffer = tui.terminal._screen.buffer
    return [[_visible(buffer[row][column]) for column in range(SIZE[0])] for row in range(SIZE[1])]


def _visible(cell: Any) -> Any:  # noqa: ANN401 - pyte's cell
    return cell._replace(fg="", bold=False, italics=False) if cell.data == " " else cell


def cursor(tui: RunningTui) -> tuple[int, int, bool]:
    terminal = tui.terminal._screen.cursor
    return terminal.x, terminal.y, terminal.hidden


@pytest.mark.parametrize("seed", range(3))
def test_the_terminal_shows_what_a_redraw_of_the_whole_screen_shows(seed: int) -> None:
    generator, compared = random.Random(seed), 0
    with show(SIZE) as tui:
        tui.wait("pvhdbg")

        def redraw() -> None:
            nonlocal compared
            draw(tui)
            shown = cells(tui), cursor(tui)
            tui.tui.app._on_resize()
            assert (cells(tui), cursor(tui)) == shown
            compared += 1

        for _ in range(FRAMES):
            press(tui, *generator.choices(IN_PANES if generator.random() < 0.7 else AT_PROMPT, k=4))
            in_loop(tui, redraw)
    assert compared == FRAMES


def test_keys_that_change_only_panes_draw_only_the_bodies(whole_frames: list[None]) -> None:
    with show(SIZE) as tui:
        tui.wait("pvhdbg")
        press(tui, "Tab")
        whole_frames.clear()
        press(tui, "4", "Down")
        press(tui, "3", "PageDown")
        press(tui, "1")
        assert whole_frames == []

        press(tui, "/", "x")
        assert whole_frames == [None]


def test_a_typed_line_and_its_cursor_are_drawn(whole_frames: list[None]) -> None:
    at_line = (len("(pvh) help"), SIZE[1] - 2, False)
    with show(SIZE) as tui:
        tui.wait("pvhdbg")
        press(tui, "Esc", *"help")
        assert "(pvh) help" in tui.text
        assert cursor(tui) == at_line

        whole_frames.clear()
        press(tui, "Alt-2")
        assert whole_frames == []
        assert cursor(tui) == at_line
