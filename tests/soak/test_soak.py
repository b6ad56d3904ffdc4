"""The short form of `make soak`. PVHDBG_SOAK_SEED chooses other moments."""

from __future__ import annotations

import os

import pytest

from tests.soak import kills, sessions

SEED = int(os.environ.get("PVHDBG_SOAK_SEED", "1"))


@pytest.mark.parametrize("kill", kills.kills(SEED, 12), ids=str)
def test_nothing_is_left_after_a_kill(kill: kills.Kill) -> None:
    assert [] == kills.run(kill)


def test_sessions_side_by_side_leave_nothing() -> None:
    assert [] == sessions.side_by_side(4)


def test_the_memory_of_a_session_does_not_grow_with_its_stops() -> None:
    first, last = sessions.step((500, 1_000))

    assert last.pvhdbg - first.pvhdbg < sessions.MOST_GROWTH, (first, last)
