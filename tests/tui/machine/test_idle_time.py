"""The wait before a snapshot: the longer one takes, the longer the user must not have asked for anything."""

from __future__ import annotations

import time
from itertools import accumulate

import pytest

from pvhdbg.tui.events.events import Event, GdbBusy
from pvhdbg.tui.machine.idle_time import IdleTime


def test_the_wait_follows_the_last_snapshot_within_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = accumulate((0.0, 0.01, 5.0, 0.1, 5.0, 0.02, 5.0, 60.0))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    emitted = list[Event]()
    idle = IdleTime(emitted.append)
    waits = [idle.seconds]
    for _ in range(4):
        idle.use(lambda: None)
        waits.append(idle.seconds)

    assert [GdbBusy(True, "taking a snapshot", 0.0), GdbBusy(False)] == emitted[:2]
    assert pytest.approx([0.3, 0.3, 0.8, 0.3, 2.0]) == waits
