"""The snapshot that a step back takes on its way, for the next steps back, with a real machine."""

from __future__ import annotations

import pytest

from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.live.back import last_step
from pvhdbg.live.back.snapshot_list import Snapshot, SnapshotList
from tests.live.back.conftest import Start
from tests.live.back.test_last_step import steps_back, steps_forward

LOOP, STEPS, BACK = 21, 58, 4
"""The instructions of the teaching guest's loop, how many are executed, and how many of them again backward."""


def test_a_step_back_in_a_loop_leaves_a_snapshot_on_the_way_for_the_next_ones(
    at_prepare: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[tuple[object, ...]] = []
    save = SnapshotList.save

    def note(kept: SnapshotList, stage: str | None, capture: Capture, journey: Journey) -> Snapshot:
        saved.append((capture.registers, capture.memory))
        return save(kept, stage, capture, journey)

    monkeypatch.setattr(last_step, "_MANY_VISITS", 2)
    monkeypatch.setattr(last_step, "_VISITS_LEFT", 1)
    debuggee = at_prepare()
    forward = steps_forward(debuggee, STEPS)
    monkeypatch.setattr(SnapshotList, "save", note)

    assert forward[-BACK - 1 :] == steps_back(debuggee, BACK)
    assert [STEPS - 1 - LOOP] == [forward.index(state) for state in saved if state in forward[: -BACK - 1]]
    assert forward[-BACK - 1 :] == steps_forward(debuggee, BACK)
