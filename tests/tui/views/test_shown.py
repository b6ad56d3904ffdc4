"""The rows of the displayed view, and of other views of the same capture."""

from __future__ import annotations

from pvhdbg.tui.views.shown import row_of
from tests.tui.screens import at


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
