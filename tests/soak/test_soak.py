"""The short form of `make soak`. PVHDBG_SOAK_SEED chooses other moments."""

from __future__ import annotations

import os

import pytest

from tests.soak import kills, sessions, walks

SEED = int(os.environ.get("PVHDBG_SOAK_SEED", "1"))


@pytest.mark.parametrize("kill", [*kills.kills(SEED, 6), *kills.kills(SEED, 2, [kills.BACK])], ids=str)
def test_nothing_is_left_after_a_kill(kill: kills.Kill) -> None:
    assert [] == kills.run(kill)


@pytest.mark.usefixtures("xen_hypervisor")
@pytest.mark.parametrize("kill", kills.kills(SEED, 2, kills.ON_XEN), ids=str)
def test_nothing_is_left_after_a_kill_of_a_session_with_xen(kill: kills.Kill) -> None:
    assert [] == kills.run(kill)


def test_sessions_side_by_side_leave_nothing() -> None:
    assert [] == sessions.side_by_side(4)


def test_the_memory_of_a_session_does_not_grow_with_its_stops() -> None:
    first, last = sessions.step((200, 500))

    assert last.pvhdbg - first.pvhdbg < sessions.MOST_GROWTH, (first, last)


def test_a_random_walk_is_always_where_a_run_forward_is() -> None:
    result = walks.walk(walks.path_of("teaching"), SEED, 25)

    assert [] == result.wrong
    assert set(walks.moves_here()) == set(result.moves)
