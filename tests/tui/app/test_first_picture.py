"""The first screen, drawn without prompt_toolkit, is the same as prompt_toolkit's."""

from __future__ import annotations

import re
from pathlib import Path

import pyte
import pytest

from pvhdbg.tui.app import first_picture
from pvhdbg.tui.app.app import Tui
from pvhdbg.tui.events.events import GdbOutput, GuestRuns, GuestStopped, MachineStarted
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Run, Screen, Title
from tests.tui import apps, screens, tmux
from tests.tui.apps import RunningTui

SIZES = ((80, 24), (120, 40), (200, 60), (50, 12))
CODES = re.compile(r"\x1b\[[0-9;]*m")


def painted(screen: Screen, size: tuple[int, int]) -> pyte.Screen:
    terminal = pyte.Screen(*size)
    pyte.Stream(terminal).feed(first_picture.picture(screen, *size))
    return terminal


def cells(terminal: pyte.Screen) -> list[list[tuple[str, str, str, bool, bool, bool]]]:
    """Return every cell with its color and attributes."""
    rows = (terminal.buffer[row] for row in range(terminal.lines))
    chars = ([row[column] for column in range(terminal.columns)] for row in rows)
    return [[(char.data, char.fg, char.bg, char.bold, char.reverse, char.underscore) for char in row] for row in chars]


def drawn(tui: RunningTui) -> list[list[tuple[str, str, str, bool, bool, bool]]]:
    with tui.terminal._drawing:
        return cells(tui.terminal._screen)


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.mark.parametrize(("size", "no_color"), [*((size, "") for size in SIZES), (SIZES[0], "1")])
def test_every_cell_is_the_same_as_prompt_toolkits(
    size: tuple[int, int], no_color: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    for screen in (screens.at("prepare"), screens.at("entry", "memory", ascii=True), apps.recorded(past=0)):
        with apps.shown(lambda screen=screen: Tui(screen), size) as tui:  # type: ignore[misc]  # bound now
            expected = cells(painted(screen, size))
            tui.until(lambda expected=expected: expected == drawn(tui), "the pictures differ")  # type: ignore[misc]  # bound now


def test_the_cursor_is_at_the_prompt() -> None:
    terminal = painted(screens.at("prepare", symbols=state.LOADED), (80, 24))

    assert (len("(gdb) "), 22) == (terminal.cursor.x, terminal.cursor.y)


def test_with_no_color_set_there_are_no_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    colored = CODES.findall(first_picture.picture(screens.at("prepare"), 80, 24))
    monkeypatch.setenv("NO_COLOR", "1")
    plain = CODES.findall(first_picture.picture(screens.at("prepare"), 80, 24))

    assert re.search(r";38;5;", "".join(colored))
    assert set("01247") >= {code for sequence in plain for code in sequence[2:-1].split(";")}


def test_the_first_picture_shows_the_first_stop_and_nothing_is_drawn_before_it() -> None:
    here = screens.at("prepare")
    assert here.now is not None
    blank, began = Screen(Title("", "")), MachineStarted(here.title, here.image, here.stages, True)
    stopped = GuestStopped(here.run, here.now, here.history, here.stages)
    shown = first_picture.at_first_stop(blank, [began, GdbOutput("note\n"), GuestRuns(1.0), stopped])

    assert None is first_picture.at_first_stop(blank, [began, GuestRuns(1.0)])
    assert shown is not None
    assert (here.title, here.run, here.now, True) == (shown.title, shown.run, shown.now, shown.is_own_machine)
    assert Run() == blank.run


def test_characters_that_the_terminals_encoding_lacks_become_question_marks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "terminal").open("w", encoding="latin-1") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        first_picture._write("│ 1 MiB")

    assert "? 1 MiB" == (tmp_path / "terminal").read_text("latin-1")


def test_the_terminal_is_restored_if_prompt_toolkit_cannot_be_imported(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "prompt_toolkit.py").write_text("raise ZeroDivisionError('a bug')\n")
    with tmux.shell(tmp_path) as shell:
        settings = shell.answer("stty -g")
        shell.type(f"PYTHONPATH={broken}:$PYTHONPATH {tmux.PVHDBG}")
        text = shell.wait("ZeroDivisionError: a bug")

        assert "raise ZeroDivisionError('a bug')" in text  # the traceback; its first lines may have scrolled away
        assert "0" == shell.variable("alternate_on")
        assert settings == shell.answer("stty -g")
        assert [] == shell.leftovers()
