"""The screen shows the known habits of QEMU's machine in one row, and each of them in the detail pane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.record.replay import load
from pvhdbg.tui.app.start import recording_screen
from pvhdbg.tui.events.update import show_stage
from pvhdbg.tui.views import findings
from tests.paths import RECORDINGS_DIR

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen

HABITS = ["PVH126", "PVH201"]


def at_entry(name: str) -> Screen:
    return show_stage(recording_screen(load(RECORDINGS_DIR / f"{name}.json"), "entry"), 0)


def test_the_habits_are_the_last_row() -> None:
    screen = at_entry("linux-6.1-microvm-initrd")
    *others, last = findings.rows(screen)

    assert "2 known habits of QEMU's microvm: PVH126, PVH201" == last.meaning
    assert [] == [row.name for row in others if row.name in HABITS]
    assert len(screen.boot_findings) == len(others) + 2
    assert last.meaning in "".join(
        text for _, text in findings.draw(screen, (*others, last), range(len(others) + 1), 200)[-1]
    )


def test_the_detail_of_the_row_shows_each_habit() -> None:
    screen = at_entry("linux-6.1-microvm-initrd")
    rows = findings.rows(screen)
    detail = findings.detail(screen, rows, len(rows) - 1)

    assert HABITS == [finding.code for finding in detail.findings]
    assert detail.note.startswith("Found at entry")


def test_one_habit_is_an_ordinary_row() -> None:
    rows = findings.rows(at_entry("linux-6.1-pc"))

    assert ["PVH126"] == [row.name for row in rows if row.name in HABITS]
    assert all("known habit" not in row.meaning for row in rows)
