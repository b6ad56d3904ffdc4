"""Which view is shown when the guest reaches a stage: what is new there, unless the user chose another valid view."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pvhdbg.tui.events import events
from pvhdbg.tui.events.update import update
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Run, Screen, Title
from tests import build
from tests.tui import apps
from tests.tui.screens import at, line, lines, text, tour

SIZES = ((80, 24), (100, 30), (120, 40), (200, 60))


def through_the_boot(screen: Screen) -> Iterator[Screen]:
    """Yield the screen at every stage of a boot."""
    stops = build.boot().stops
    for index, stop in enumerate(stops):
        screen = update(
            screen, events.GuestStopped(Run(state.STOPPED, stop.stage), stop, stops[: index + 1], screen.stages)
        )
        yield screen


def first(view: str, *, is_view_chosen: bool) -> Screen:
    return Screen(Title("vmlinux", "pc"), image=build.linux(), view=view, is_view_chosen=is_view_chosen)


@pytest.mark.parametrize(
    ("view", "is_view_chosen", "shown"),
    [
        ("start_info", False, ["start_info", "start_info", "boot_params", "boot_params", "memory"]),
        ("code", False, ["code", "start_info", "boot_params", "boot_params", "memory"]),
        ("start_info", True, ["start_info", "start_info", "start_info", "boot_params", "memory"]),
        ("code", True, ["code"] * 5),
        ("boot_params", True, ["boot_params", "start_info", "boot_params", "boot_params", "memory"]),
    ],
)
def test_a_stage_shows_what_is_new_unless_the_user_chose_a_view_that_is_still_valid(
    view: str, is_view_chosen: bool, shown: list[str]
) -> None:
    assert shown == [screen.view for screen in through_the_boot(first(view, is_view_chosen=is_view_chosen))]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("is_ascii", [False, True])
def test_a_view_that_stays_names_the_view_of_what_is_new(size: tuple[int, int], is_ascii: bool) -> None:
    for view in ("cpu", "code", "findings", "start_info", "paging", "serial"):
        screen = at("e820", view, ascii=is_ascii, output=("(gdb) p 1", "$1 = 1"))

        assert "* new: 3 memory" in "\n".join(lines(screen, size)), view
    assert "new:" not in text(at("e820", "memory"), size)
    assert "new:" not in text(at("e820", "code", run=Run(state.DEAD)), size)


def test_the_news_of_a_stage_replace_those_of_the_stage_before() -> None:
    messages = [screen.message for screen in through_the_boot(first("start_info", is_view_chosen=False))]

    assert "new at bootparams: boot_params (view 4)" in messages[2]
    assert "new at e820: e820_table (view 3)" in messages[4]


def test_boot_params_starts_at_its_first_field_that_is_not_0() -> None:
    screen = at("bootparams", "boot_params", focus=state.VIEW)

    assert "▸ +0x1e8 e820_entries         7" in line(screen, "▸")
    assert "▸ +0x00  screen_info" in line(screen.at(0), "▸")
    assert "bzImage" not in text(screen)


def test_in_a_recording_f6_shows_what_is_new_until_the_user_chooses_a_view() -> None:
    with apps.show(past=0) as tui:
        for view in ("start_info", "boot_params", "boot_params"):
            tui.keys("F6")
            tui.until(lambda view=view: tui.screen.view == view)  # type: ignore[misc]
        tui.keys("Alt-6", "F6")
        tui.wait("* new: 3 memory")

        assert "code" == tui.screen.view


def test_the_tour_names_no_other_view() -> None:
    assert "new:" not in text(at("e820", "cpu", tour=tour()), (80, 24))
