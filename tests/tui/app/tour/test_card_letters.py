"""Letters typed while the card of the tour, or a popup, has the focus: no letter of a command is lost."""

from __future__ import annotations

import pytest

from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Popup
from tests.tui import apps, screens

SIZES = ((80, 24), (100, 30), (120, 40), (200, 60))


COMMANDS = ("display rip", "tbreak start_kernel", "delete", "info registers")


@pytest.mark.parametrize(("command", "size"), list(zip(COMMANDS, SIZES, strict=True)))
def test_a_command_typed_on_the_card_is_complete(command: str, size: tuple[int, int]) -> None:
    with apps.show(size, tour=screens.tour(), focus=state.CARD, past=1) as tui:
        tui.wait("(pvh)")
        before = tui.screen
        tui.keys(command)
        tui.until(lambda: command in tui.lines[-2], "the command is not at the prompt")

        assert state.PROMPT == tui.screen.focus
        assert (before.only_changes, before.zoomed) == (tui.screen.only_changes, tui.screen.zoomed)


def test_d_and_zoom_are_keys_on_the_card_and_pressing_them_again_undoes_them() -> None:
    with apps.show((120, 40), tour=screens.tour(), focus=state.CARD, past=1) as tui:
        tui.wait("shown: entry")
        tui.keys("Right")
        tui.wait("shown: prepare")
        tui.keys("d")
        tui.wait("* only changes")
        tui.keys("d")
        tui.wait_gone("* only changes")
        tui.keys("Z")
        tui.until(lambda: tui.screen.zoomed)
        tui.keys("Z")
        tui.until(lambda: not tui.screen.zoomed)

        assert "(pvh)" == tui.lines[-2].strip()
        assert state.CARD == tui.screen.focus


def test_d_keeps_the_selected_row_if_it_changed() -> None:
    with apps.show((120, 40), view="cpu", focus=state.VIEW, past=1) as tui:
        tui.wait("(pvh)")
        tui.keys("/", "cr4", "Enter", "d")
        tui.wait("* only changes")

        assert "cr4" in next(line for line in tui.lines if "▸" in line)
        tui.keys("d")
        tui.wait_gone("* only changes")
        assert "cr4" in next(line for line in tui.lines if "▸" in line)


@pytest.mark.parametrize("kind", ["panel", "chain"])
def test_the_next_command_closes_the_popup_of_the_last_one(kind: str) -> None:
    popup = Popup(kind, steps=("GDT",) if kind == "panel" else ("boot_params.hdr", "main"))
    with apps.show((100, 30), popup=popup, focus=state.PROMPT) as tui:
        tui.wait("Esc: close")
        tui.keys("kill")
        tui.until(lambda: tui.lines[-2].strip() == "(pvh) kill")

        assert tui.screen.popup is None


def test_a_key_without_a_meaning_in_a_popup_says_how_to_close_it() -> None:
    with apps.show((100, 30), popup=Popup("panel", steps=("GDT",)), focus=state.VIEW) as tui:
        tui.wait("Esc: close")
        tui.keys("w")
        tui.wait("this key does nothing here: Esc closes the window")
