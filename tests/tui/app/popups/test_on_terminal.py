"""The popups on a terminal in memory: the list of keys, the palette and the explanations."""

from __future__ import annotations

import pytest

from pvhdbg.tui.screen import state
from tests.tui.apps import SIZES, show


@pytest.mark.parametrize("size", SIZES)
def test_f2_opens_the_whole_detail_whose_words_are_links(size: tuple[int, int]) -> None:
    with show(size, focus=state.PROMPT) as tui:
        tui.keys("F2")
        tui.wait("Written by the VMM")
        tui.wait("see also")
        tui.keys("Tab", "Enter")
        tui.until(lambda: tui.screen.popup is not None and len(tui.screen.popup.steps) == 2)
        tui.keys("Backspace")
        tui.wait("pvh_start_info.magic   u32 at")
        tui.keys("F2")
        tui.wait_gone(" explain ")

    assert state.PROMPT == tui.screen.focus


@pytest.mark.parametrize("size", SIZES)
def test_the_palette_finds_views_keys_commands_and_explanations_as_the_user_types(size: tuple[int, int]) -> None:
    with show(size) as tui:
        tui.keys("F3", "serial")
        tui.wait("search: serial")
        tui.keys("Enter")
        tui.until(lambda: (tui.screen.view, tui.screen.popup, tui.screen.entry) == ("serial", None, None))
        tui.keys("Ctrl-P", "only what changed")
        tui.wait("show only what changed")
        tui.keys("Enter")
        tui.until(lambda: tui.screen.only_changes)
        tui.keys("F3", "explain CR0.PE")
        tui.wait("CPU bits")
        tui.keys("Enter")
        tui.wait(" explain ")
        tui.wait("CR0.PE")
        tui.keys("Esc", "F3", "pvh memmap", "Enter")
        tui.wait("(pvh) pvh memmap")
        tui.keys("F3", "no such thing")
        tui.wait("nothing has this name")
        tui.keys("Enter", "Esc")
        tui.until(lambda: tui.screen.popup is None)

    assert (state.PROMPT, "pvh memmap ") == (tui.screen.focus, tui.tui.windows.line.text)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("explain", "fields of hvm_start_info"),
        ("pvh explain", "structures:"),
        ("pvh", "start-info"),
        ("pvh help", "start-info"),
    ],
)
def test_a_long_list_opens_in_a_panel(typed: str, words: str) -> None:
    with show(focus=state.PROMPT) as tui:
        tui.keys(typed, "Enter")
        tui.wait("Tab: link")
        shown = tui.wait(words)
        tui.keys("Esc")
        tui.wait_gone("Tab: link")

    assert "Esc: close" in shown


def test_explain_at_the_prompt_opens_the_explanation_whose_words_are_links() -> None:
    with show(focus=state.PROMPT) as tui:
        tui.keys("explain no_such_name", "Enter")
        tui.wait("unknown name")

        assert tui.screen.popup is None

        tui.keys("explain memmap_paddr", "Enter")
        tui.wait(" explain ")
        tui.keys("Tab", "Tab", "S-Tab", "Enter")
        tui.until(lambda: tui.screen.popup is not None and len(tui.screen.popup.steps) == 2)
        tui.keys("End", "Home", "Backspace")
        tui.wait("hvm_start_info.memmap_paddr")
        tui.keys("Esc")
        tui.until(lambda: tui.screen.popup is None)


def test_in_the_palette_the_arrows_choose_and_editing_keys_edit() -> None:
    def shows(text: str, least: int) -> bool:
        popup = tui.screen.popup
        return popup is not None and popup.text == text and popup.selected >= least

    with show() as tui:
        tui.keys("F3", "memx", "Backspace", "Down", "Down")
        tui.until(lambda: shows("mem", 2))
        tui.keys("PageDown")
        tui.until(lambda: shows("mem", 10))
        tui.keys("Ctrl-U")
        tui.until(lambda: shows("", 0))
        tui.keys("Ctrl-C")
        tui.until(lambda: (tui.screen.popup, tui.screen.entry) == (None, None))

    assert "start_info" == tui.screen.view


def test_the_help_scrolls() -> None:
    with show() as tui:
        tui.keys("?")
        tui.wait("show this list of keys")
        tui.keys("End")
        tui.wait("search the history, which is kept")
        tui.keys("Home")
        tui.wait("Everywhere")
        tui.keys("PageDown", "Down", "Up", "F5")
        tui.wait_gone("Everywhere")

        assert ("start_info", False, "") == (tui.screen.view, tui.screen.only_changes, tui.screen.message)

        for key in ("Esc", "F1", "Enter"):
            tui.keys(key)
            tui.until(lambda: tui.screen.popup is None)
            tui.keys("F1")
            tui.until(lambda: tui.screen.popup is not None)

    assert tui.error is None


@pytest.mark.parametrize("size", SIZES)
def test_the_help_filters_as_the_user_types(size: tuple[int, int]) -> None:
    with show(size) as tui:
        tui.keys("F1", "clipboard")
        tui.wait("search: clipboard")
        text = tui.wait_gone("show this list of keys")
        tui.keys("Ctrl-U", "q3 z")
        tui.wait("no key and no sign has these words")
        tui.keys("Esc")
        tui.until(lambda: (tui.screen.popup, tui.screen.entry) == (None, None))
        tui.keys("/")
        tui.wait("search: ▏")

    assert "copy the row to the clipboard" in text
    assert "start_info" == tui.screen.view
