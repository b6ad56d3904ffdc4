"""Every view of recorded boots, at every size: nothing is cut in the middle, and what a row says is drawn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pvhdbg.boot.record.replay import load
from pvhdbg.tui.draw.frame import clamp, cursor, rows, visible
from pvhdbg.tui.draw.layout import BELOW
from pvhdbg.tui.lines.line import clean, length
from pvhdbg.tui.machine.stop_events import recorded_instructions
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Screen
from tests.paths import RECORDINGS_DIR
from tests.tui import screens

ALL_SIZES = ((80, 24), (100, 30), (120, 40), (200, 60))
DOCUMENTS = [load(RECORDINGS_DIR / f"{name}.json") for name in ("linux-6.1-microvm-initrd", "teaching-guest-xen")]
DRAWN_BY_ROWS = ("start_info", "modules", "boot_params", "cpu", "paging")
"""The views whose rows are drawn as they are, with name, value and meaning."""


def every_screen(size: tuple[int, int]) -> Iterator[Screen]:
    """Yield every view of every stage: with Unicode and, at the next size, in ASCII, or the other way round."""
    for document in DOCUMENTS:
        found = recorded_instructions(document)
        for number, stop in enumerate(document.stops, ALL_SIZES.index(size)):
            fields = {"next": found.by_stage[stop.stage], "focus": state.VIEW}
            for at, view in enumerate(screens.VIEWS, number):
                yield screens.at(stop.stage, view, document, ascii=at % 2 == 1, **fields)


@pytest.mark.parametrize("size", ALL_SIZES)
def test_every_view_fills_the_screen_and_shows_its_rows(size: tuple[int, int]) -> None:
    width, height = size[0], size[1] - BELOW
    for screen in every_screen(size):
        shown = clamp(screen, width, height)
        drawn = screens.lines(shown, size)

        assert ({width}, size[1] - 1) == ({length([("", line)]) for line in drawn}, len(drawn))
        assert [] == [line for line in (*drawn[:2], drawn[-1]) if "…" in line or line.rstrip().endswith("~")]
        listed, first = rows(shown), shown.position.top
        assert not listed or first <= cursor(shown) < first + visible(shown, width, height)
        on_screen = listed[first : first + visible(shown, width, height)] if shown.view in DRAWN_BY_ROWS else ()
        for row in (row for row in on_screen if not row.columns):
            text, value = "\n".join(drawn), clean(row.value, ascii=screen.ascii)[:16]
            assert value in text, (shown.view, row.name, row.value)
            assert clean(row.meaning, ascii=screen.ascii).split(" ")[0][:6] in text, (shown.view, row.name, row.meaning)
