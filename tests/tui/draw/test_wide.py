"""The screen from 160 columns on: three columns with borders that stay, and views that have something to show."""

from __future__ import annotations

import pytest

from pvhdbg.checks.finding import Finding
from pvhdbg.tui.draw.frame import rows
from pvhdbg.tui.draw.layout import BELOW, layout
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Screen
from tests.tui import apps, screens
from tests.tui.screens import at, lines, text

SIZE = (200, 60)
LONG = Finding("PVH999", "error", " ".join(f"word{number}" for number in range(40)), "start_info.magic")


def borders(screen: Screen) -> list[int]:
    """Return the columns of the borders between the views."""
    top = next(line for line in lines(screen, SIZE) if line.startswith("┌"))
    return [column for column, sign in enumerate(top) if sign in "┬┐"]


@pytest.mark.parametrize("focus", [state.PROMPT, state.VIEW])
def test_the_borders_between_the_columns_are_the_same_beside_every_view(focus: str) -> None:
    found = {view: borders(at("e820", view, focus=focus)) for view in screens.VIEWS}

    assert found.pop("code") == [found["cpu"][1], found["cpu"][2]]
    assert 3 == len(found["cpu"])
    assert all(columns == found["cpu"] for columns in found.values())


@pytest.mark.parametrize("stage", ["entry", "prepare", "bootparams", "kernel", "e820"])
def test_every_view_under_and_beside_the_chosen_one_shows_something(stage: str) -> None:
    for view in screens.VIEWS:
        screen = at(stage, view, findings=(screens.STACK,))
        plan = layout(screen, SIZE[0], SIZE[1] - BELOW)

        assert all(pane.lines >= 2 for pane in plan.under)
        for other in (*(pane.view for pane in plan.under), *(pane.view for pane in plan.beside)):
            shown = screen._replace(view=other.name)
            assert rows(shown) or other.lines_of(shown) or other.name == "code", (view, other.name)


def test_what_is_new_stands_under_the_chosen_view_and_what_is_no_longer_valid_comes_last() -> None:
    names = [pane.view.name for pane in layout(at("e820", "findings"), 200, 90).under]

    assert ["memory", "boot_params", "start_info"] == names[:3]


def test_the_message_of_a_finding_is_not_cut() -> None:
    for view in ("findings", "modules"):
        shown = text(at("prepare", view, findings=(LONG,)), SIZE)
        assert [] == [word for word in LONG.message.split() if word not in shown]


def test_the_flags_of_cr0_are_not_cut_beside_another_view() -> None:
    shown = text(apps.recorded(past=None, view="boot_params"), SIZE)

    assert "PE +MP ET +NE +WP +AM +PG" in shown
    assert "64-bit long mode  " in shown
