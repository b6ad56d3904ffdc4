"""Search in the views: in rows, and in lines of text."""

from __future__ import annotations

from pvhdbg.tui.app.selection.search import search
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Log, Run, Screen
from tests.tui import screens

LINES = (*(f"line {number}" for number in range(40)), "Kernel panic - not syncing", *map(str, range(40)), "a Panic too")
SERIAL, LOG = (screens.at("prepare", view)._replace(serial=LINES, log=Log(LINES)) for view in ("serial", "log"))


def top(screen: Screen) -> tuple[int | None, str]:
    return screen.text_top, screen.message


def test_search_goes_to_the_next_line_of_a_text_view_and_starts_over_after_the_last() -> None:
    for view in (SERIAL, LOG):
        first = search(view, "panic")
        second = search(first, "panic")

        assert (40, "line 41 of 82") == top(first)
        assert (81, "line 82 of 82") == top(second)
        assert 40 == search(second, "PANIC").text_top
        assert "Kernel panic - not syncing" in screens.text(first)


def test_a_text_view_without_the_text_stays_where_it_is() -> None:
    assert (3, "not found in this view: nowhere") == top(search(SERIAL.text_at(3), "nowhere"))
    assert "not found in this view: x" == search(SERIAL._replace(serial=()), "x").message


def test_search_in_rows_starts_after_the_selected_one() -> None:
    screen = search(screens.at("prepare"), "paddr")
    again = search(screen, "paddr")

    assert screen.position.cursor < again.position.cursor
    assert "" == again.message


def test_the_empty_log_of_a_running_guest_says_how_to_read_it() -> None:
    log = Log(why="the kernel has printed nothing")
    running = screens.at("prepare", "log")._replace(run=Run(state.RUNNING), log=log)

    assert "nothing; Ctrl-C stops the guest and reads its log again" in screens.text(running, (120, 40))
    assert "Ctrl-C stops" not in screens.text(running._replace(run=Run(state.STOPPED)), (120, 40))
