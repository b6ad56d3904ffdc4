"""The TUI and its terminal: characters, colors, sizes, control characters, and the end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pvhdbg.tui.app.app import ESCAPE_TIMEOUT, NETWORK_TIMEOUT
from pvhdbg.tui.draw import frame
from pvhdbg.tui.events.events import GdbOutput, Message, SerialOutput, ThreadEnded
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Run
from tests.tui.apps import show

if TYPE_CHECKING:
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen

COLOR = re.compile(r"\x1b\[[0-9;]*?\b(?:3[0-7]|4[0-7]|9[0-7]|10[0-7]|38|48)\b[0-9;]*m")


def test_with_ascii_every_character_is_ascii() -> None:
    with show((120, 40), ascii=True) as tui:
        for key in "1234567890?":
            tui.keys(key)
        tui.wait("Everywhere")

    assert tui.text.isascii()


def test_with_no_color_set_there_is_bold_but_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    with show() as tui:
        tui.wait("F1 help")

        assert COLOR.search(tui.terminal.raw)

    monkeypatch.setenv("NO_COLOR", "1")
    with show() as tui:
        tui.wait("F1 help")

    assert not COLOR.search(tui.terminal.raw)
    assert "\x1b[0;1m" in tui.terminal.raw


def test_a_theme_uses_colors_that_no_palette_changes() -> None:
    with show((200, 60), theme="dark") as tui:
        for key in "1234567890?":
            tui.keys(key)
        tui.wait("Everywhere")

    used = {int(index) for index in re.findall(r"[34]8;5;(\d+)", tui.terminal.raw)}
    assert used
    assert min(used) >= 16
    assert not re.search(r"\x1b\[(\d+;)*3[0-7](;\d+)*m", tui.terminal.raw)
    assert "38;2;" not in tui.terminal.raw


@pytest.mark.parametrize(("connection", "seconds"), [(None, ESCAPE_TIMEOUT), ("::1 2 ::1 22", NETWORK_TIMEOUT)])
def test_esc_waits_longer_for_the_rest_of_a_key_over_a_network(
    connection: str | None, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    if connection is not None:
        monkeypatch.setenv("SSH_CONNECTION", connection)
    with show() as tui:
        tui.wait("F1 help")

        assert seconds == tui.tui.app.ttimeoutlen


def test_the_screen_follows_the_terminals_size() -> None:
    with show() as tui:
        tui.wait("F1 help")
        for width, height in ((120, 40), (60, 16), (59, 15), (20, 5), (200, 60), (80, 24)):
            tui.resize(width, height)
            tui.until(lambda size=(width, height - 2): tui.tui.windows.body.size == size)  # type: ignore[misc]  # bound now
            tui.wait(f"too small: {width}x{height}"[:width] if width < 60 else "F1 help")


def test_control_characters_from_gdb_or_the_guest_do_not_reach_the_terminal() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m"
    with show(view="serial", run=Run(state.STOPPED)) as tui:
        tui.wait("F1 help")
        tui.tui.emit(GdbOutput(f"gdb {evil}\n"))
        tui.tui.emit(SerialOutput(f"guest {evil}\n".encode("latin-1")))
        tui.tui.emit(Message(f"note {evil}"))
        tui.wait("gdb \\x1b]0;owned")
        tui.wait("guest \\x1b]0;owned")

    assert "\x1b]0;owned" not in tui.terminal.raw
    assert "\x9b" not in tui.terminal.raw


def test_after_a_bug_the_terminal_is_restored_and_the_error_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    with show() as tui:
        tui.wait("F1 help")
        monkeypatch.setattr("pvhdbg.tui.app.actions.act", broken)
        tui.keys("Down")
        tui.wait_end()

    assert isinstance(tui.error, ZeroDivisionError)
    assert "\x1b[?1049l" in tui.terminal.raw
    assert tui.terminal.raw.rindex("\x1b[?25h") > tui.terminal.raw.rindex("\x1b[?25l")


def test_an_error_of_the_machines_thread_ends_the_tui_and_is_raised() -> None:
    with show() as tui:
        tui.wait("F1 help")
        tui.tui.emit(ThreadEnded(ZeroDivisionError("a bug")))
        tui.wait_end()

    assert isinstance(tui.error, ZeroDivisionError)


def test_the_end_of_the_terminals_input_ends_the_tui() -> None:
    with show() as tui:
        tui.wait("F1 help")
        tui._keyboard.close()
        tui.wait_end()

    assert isinstance(tui.error, EOFError)


@pytest.mark.parametrize("size", [(120, 40), (80, 20), (60, 8)])
def test_panes_get_all_lines_but_those_of_the_prompt_and_the_legend(size: tuple[int, int]) -> None:
    with show(size) as tui:
        tui.until(lambda: tui.tui.windows.body.size[1] > 0)

        assert (size[0], size[1] - 2) == tui.tui.windows.body.size


def test_pane_with_the_focus_has_one_buffer_which_stays_empty() -> None:
    with show((120, 40)) as tui:
        tui.keys("Tab")
        app = tui.tui.app
        tui.until(lambda: app.layout.current_buffer is None)
        buffer = app.current_buffer
        buffer.text = "typed"

        assert buffer is app.current_buffer
        assert not buffer.text


def test_typing_at_the_prompt_does_not_draw_the_panes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    draw = frame.frame

    def counted(screen: Screen, width: int, height: int) -> list[Line]:
        drawn.append(width)
        return draw(screen, width, height)

    monkeypatch.setattr(frame, "frame", counted)
    with show((120, 40), focus=state.PROMPT) as tui:
        tui.wait("F1 help")
        before = len(drawn)
        tui.keys(*"help info")
        tui.wait("help info")
        typed = len(drawn)
        tui.keys("S-Tab")
        tui.until(lambda: len(drawn) > typed)

    assert typed <= before + 1
