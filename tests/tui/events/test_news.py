"""What is new at a stop, in one line."""

from __future__ import annotations

from pvhdbg.tui.events import events
from pvhdbg.tui.events.news import changed_views, news
from pvhdbg.tui.events.update import update
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Run, Screen, Title
from tests import build
from tests.tui.screens import at


def test_arriving_at_a_stage_says_what_is_new_and_in_which_view() -> None:
    stops = build.boot().stops
    screen = Screen(Title("vmlinux", "pc"), image=build.linux(), machine=build.machine())
    messages = []
    for index, stop in enumerate(stops):
        stopped = events.GuestStopped(Run(state.STOPPED, stop.stage), stop, stops[: index + 1], ())
        screen = update(screen._replace(message=""), stopped)
        messages.append(screen.message)

    assert messages[1].startswith("new at prepare: pvh_start_info (view 1)")
    assert messages[2].startswith("new at bootparams: boot_params (view 4)")
    assert messages[3].startswith("new at kernel: kernel_boot_params (view 4)")
    assert messages[4].startswith("new at e820: e820_table (view 3)")


def test_a_stop_without_changes_says_so() -> None:
    assert "nothing new in memory at entry" == news(at("entry"))


def test_a_changed_value_is_reported_with_its_capture_key_and_view() -> None:
    screen = at("entry", old_values={"modules[0].paddr": 1, "start_info.magic": 2})

    assert "changed at entry: start_info (view 1), modules (view 2)" == news(screen)
    assert {"start_info", "modules"} == changed_views(screen)
