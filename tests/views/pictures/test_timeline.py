"""The picture of the stages: what exists at each, and for how long."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pvhdbg.boot.record.document import TIMED_OUT
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.stop import stages
from pvhdbg.views.pictures import timeline
from tests.paths import RECORDINGS, RECORDINGS_DIR


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_stage_has_the_structures_that_the_recording_has(path: Path) -> None:
    recorded = json.loads(path.read_text("utf-8"))["stops"]
    existing = [[key for key in stages.CAPTURE_KEYS if stop.get(key) is not None] for stop in recorded]

    assert existing == [list(column.cells) for column in timeline.columns(load(path))]


def test_a_change_is_counted_where_it_is_seen() -> None:
    run = load(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json")
    info = run.stops[1].start_info
    assert info is not None
    changed = run.stops[1]._replace(start_info=type(info)(bytes([1]) + info.raw[1:], info.at))
    columns = timeline.columns(run._replace(stops=(run.stops[0], changed)))

    assert [0, 1] == [column.cells["start_info"].changes for column in columns]
    assert "1 change" in "\n".join(timeline.as_text(run._replace(stops=(run.stops[0], changed))))


def test_a_structure_that_does_not_change_is_one_box() -> None:
    columns = timeline.columns(load(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json"))

    assert [(0, 2)] == [span[:2] for span in timeline._spans(columns, "start_info")]
    assert [(3, 4)] == [span[:2] for span in timeline._spans(columns, "kernel_boot_params")]


def test_the_stage_that_was_not_reached_is_shown() -> None:
    run = load(RECORDINGS_DIR / "vmlinuz-6.1-entry.json")
    late = run._replace(outcome=run.outcome._replace(ended=TIMED_OUT, waited_for="prepare"))

    assert [("entry", True), ("prepare", False)] == [(it.name, it.is_reached) for it in timeline.columns(late)]


def test_the_stage_of_a_death_says_how_the_guest_died_and_in_which_function() -> None:
    run = load(RECORDINGS_DIR / "linux-6.1-died.json")
    assert run.outcome.died is not None
    assert run.outcome.died.symbol

    assert run.outcome.died.symbol in timeline.columns(run)[-1].about
    assert f"died: {run.outcome.died.how.replace('-', ' ')} at 0x" in "\n".join(timeline.as_text(run))
