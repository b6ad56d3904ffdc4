"""Clicks and the wheel, on a terminal in memory."""

from __future__ import annotations

import pytest

from pvhdbg.tui.app.files import settings
from pvhdbg.tui.screen import state
from tests.tui.apps import SIZES, RunningTui, show


def place(tui: RunningTui, words: str, occurrence: int = 0) -> tuple[int, int]:
    """Return the column and the line of words on the screen, counted from 0."""
    places = [(line.index(words), number) for number, line in enumerate(tui.lines) if words in line]
    return places[occurrence]


def mouse(tui: RunningTui, button: int, column: int, line: int) -> None:
    """Press and release a button: 0 is the left one, 64 and 65 are the wheel."""
    tui.keys(f"\x1b[<{button};{column + 1};{line + 1}M")
    if button < 64:
        tui.keys(f"\x1b[<{button};{column + 1};{line + 1}m")


def click(tui: RunningTui, words: str) -> None:
    tui.wait(words)
    mouse(tui, 0, *place(tui, words))


@pytest.mark.parametrize("is_ascii", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_the_mouse_is_on_and_clicks_choose_tabs_rows_stages_and_panes(size: tuple[int, int], is_ascii: bool) -> None:
    with show(size, focus=state.PROMPT, ascii=is_ascii) as tui:
        tui.wait("F1 help")

        assert "\x1b[?1000h" in tui.terminal.raw

        click(tui, "nr_modules")
        tui.until(lambda: (tui.screen.focus, tui.screen.position.cursor) == (state.VIEW, 3))
        tabs = next(at for at, line in enumerate(tui.lines) if line.startswith(("┌", "╔", "+", "#")))
        mouse(tui, 0, tui.lines[tabs].index("8"), tabs)
        tui.until(lambda: tui.screen.view == "cpu")
        click(tui, "entry")
        tui.until(lambda: tui.screen.past == 0)
        click(tui, "e820 ")
        tui.until(lambda: tui.screen.past is None)
        mouse(tui, 0, *place(tui, " detail"))
        tui.until(lambda: tui.screen.focus == state.DETAIL)
        mouse(tui, 0, 20, size[1] - 2)
        tui.until(lambda: tui.screen.focus == state.PROMPT)
        tui.keys("stages")
        tui.wait("(pvh) stages")

    assert tui.error is None


def test_a_click_on_the_selected_row_follows_its_pointer() -> None:
    with show() as tui:
        click(tui, "cmdline_paddr")
        tui.until(lambda: tui.screen.position.cursor == 5)
        click(tui, "cmdline_paddr")
        tui.wait("0xefc60 physical")


def test_clicks_on_keys_links_and_beside_a_popup() -> None:
    with show((120, 40)) as tui:
        click(tui, "F1 help")
        tui.until(lambda: tui.screen.popup is not None and tui.screen.popup.kind == "help")
        mouse(tui, 0, 1, 5)
        tui.until(lambda: tui.screen.popup is None)
        tui.keys("F3", "serial")
        tui.wait("search: serial")
        click(tui, "what the guest wrote on its serial console")
        tui.until(lambda: tui.screen.view == "serial")
        tui.keys("Esc", "explain memmap_paddr", "Enter")
        tui.wait("Tab: link")
        column, line = place(tui, "see also")
        mouse(tui, 0, column + 13, line)
        tui.until(lambda: tui.screen.popup is not None and len(tui.screen.popup.steps) == 2)


def test_the_wheel_scrolls_what_is_under_it() -> None:
    printed = tuple(f"line {number}" for number in range(300))
    with show(view="boot_params", past=2, output=printed) as tui:
        tui.wait("line 299")
        mouse(tui, 65, 10, 8)
        tui.until(lambda: tui.screen.position.cursor == 2)
        mouse(tui, 64, 10, place(tui, "line 299")[1])
        tui.wait_gone("line 299")
        mouse(tui, 65, 10, 21)
        tui.wait("line 299")
        tui.keys("F1")
        tui.wait("show this list of keys")
        mouse(tui, 65, 40, 10)
        tui.until(lambda: tui.screen.popup is not None and tui.screen.popup.top == 1)


def test_m_turns_the_mouse_off_and_pvhdbg_remembers_it() -> None:
    with show() as tui:
        tui.keys("m")
        tui.wait("mouse off")
        tui.until(lambda: "\x1b[?1000l" in tui.terminal.raw)
    with show() as tui:
        tui.wait("F1 help")

        assert "\x1b[?1000h" not in tui.terminal.raw

        tui.keys("m")
        tui.wait("mouse on")
        tui.until(lambda: "\x1b[?1000h" in tui.terminal.raw)

    assert settings.load().mouse


def test_a_zoomed_pane_is_zoomed_in_the_next_session() -> None:
    with show(view="boot_params", past=2) as tui:
        tui.keys("Z")
        tui.wait("Z: show all panes")
    with show(view="boot_params", past=2) as tui:
        tui.wait("Z: show all panes")
        tui.keys("Z")
        tui.wait_gone("Z: show all panes")

    assert not settings.load().zoomed
