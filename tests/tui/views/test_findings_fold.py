"""The screen shows the known habits of QEMU's machine in one row, and each of them in the detail pane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.record.replay import load
from pvhdbg.checks.finding import Finding
from pvhdbg.tui.app.start import recording_screen
from pvhdbg.tui.events.update import show_stage
from pvhdbg.tui.screen.state import BootFinding
from pvhdbg.tui.views import findings
from tests.paths import RECORDINGS_DIR
from tests.tui.screens import at, text

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


def test_a_rule_with_many_findings_has_its_first_ones_and_one_row_for_the_others() -> None:
    many = [Finding("PVH204", "warning", f"no size in entry {at}", f"memory_map.entries[{at}]") for at in range(40)]
    cause = Finding("PVH207", "warning", "129 entries, at most 128", "start_info.memmap_entries")
    entries = tuple(BootFinding(finding, ("prepare",), is_current=True) for finding in (*many, cause))
    screen = at("prepare", "findings")._replace(boot_findings=entries)
    rows = findings.rows(screen)

    assert ["PVH204"] * 6 + ["PVH207"] == [row.name for row in rows]
    assert "… and 35 more, starting at memory_map.entries[5]" == rows[5].meaning
    assert 35 == len(findings.detail(screen, rows, 5).findings)
    assert "129 entries" in text(screen, (80, 24))
