"""The rows of the displayed view, and of other views of the same capture."""

from __future__ import annotations

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.tui.app.selection.selected_row import seek
from pvhdbg.tui.events.events import GuestStopped
from pvhdbg.tui.events.update import show_stage, update
from pvhdbg.tui.screen.state import STOPPED, Run
from pvhdbg.tui.views.shown import row_of, rows, selected
from tests.tui.screens import at, line


def test_a_path_leads_to_its_view_and_row() -> None:
    screen = at("bootparams")
    paths = (
        "start_info.magic",
        "modules[0].size",
        "memory_map.entries[3].type",
        "boot_params.hdr.version",
        "registers.cs.flags",
        "cmdline",
    )
    places = [(view.name, index) for view, index in filter(None, (row_of(screen, path) for path in paths))]

    assert places == [
        ("start_info", 0),
        ("modules", 2),
        ("memory", 6),
        ("boot_params", 5),
        ("cpu", 9),
        ("start_info", 10),
    ]


def test_a_path_that_no_view_shows_leads_nowhere() -> None:
    assert (None, None) == (row_of(at("entry"), "kernel.path"), row_of(at("entry"), ""))


def test_the_same_field_stays_selected_at_another_stop_although_its_row_has_another_number() -> None:
    screen = at("e820", "memory")
    index = next(at for at, row in enumerate(rows(screen)) if row.path == "memory_map.entries[4]")
    entry, *_, e820 = screen.history
    selected_rows = [
        selected(show_stage(screen.at(index), 0)),
        selected(update(screen.at(index), GuestStopped(Run(STOPPED, "entry"), entry, (entry,), (), times_back=1))),
        selected(update(show_stage(screen.at(index), 0), GuestStopped(Run(STOPPED, ""), e820, screen.history, ()))),
    ]

    assert ["memory_map.entries[4]"] * 3 == [row and row.path for row in selected_rows]
    assert index != show_stage(screen.at(index), 0).position.cursor


def test_a_field_of_the_original_and_of_its_copy_are_the_same_row() -> None:
    screen = at("kernel", "boot_params")
    index = next(at for at, row in enumerate(rows(screen)) if row.path.endswith("hdr.cmd_line_ptr"))
    earlier = selected(show_stage(screen.at(index), 2))

    assert earlier is not None
    assert "boot_params.hdr.cmd_line_ptr" == earlier.path


def test_the_original_boot_params_are_shown_until_the_kernel_writes_its_copy() -> None:
    screen = at("bootparams", "boot_params")
    now = screen.now
    assert now is not None
    empty = BootParams(bytes(BootParams.SIZE), 0x36E3520)
    stepped = screen._replace(now=now._replace(kernel_boot_params=empty))

    assert rows(screen) == rows(stepped)
    assert "a struct boot_params, not copied to boot_params yet" in line(stepped, "pvh_bootparams at", (120, 40))


def test_after_going_back_to_a_store_the_bytes_are_shown_if_no_view_has_the_field() -> None:
    prepare = at("prepare")
    entry, now = prepare.history[0], prepare.now
    assert now is not None
    assert now.pvh_start_info is not None
    asked = seek(prepare)
    back = update(asked, GuestStopped(Run(STOPPED, ""), entry, (entry,), (), times_back=1))
    unmoved = update(asked, GuestStopped(asked.run, now, asked.history, asked.stages))
    at_stage = update(asked, GuestStopped(Run(STOPPED, "prepare", rip=1), now, asked.history, (), times_back=1))

    assert (f"p {now.pvh_start_info.at:#x}", 4) == (back.memory_request and back.memory_request[:2])
    assert ("bytes", "start_info", "start_info") == (back.view, unmoved.view, at_stage.view)
    assert [None] * 3 == [screen.sought for screen in (back, unmoved, at_stage)]
