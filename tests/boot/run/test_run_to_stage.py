"""The outcome of a run that timed out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pvhdbg.boot.run.run_to_stage import timeout_outcome
from pvhdbg.boot.stop import stages
from pvhdbg.target.base import TIMEOUT, Halt


@pytest.mark.parametrize(("ahead", "expected"), [(stages.STAGES[2:], "bootparams"), ((), "e820")])
def test_the_stage_that_was_waited_for_is_the_next_one_or_the_last(ahead: tuple[Any, ...], expected: str) -> None:
    journey = cast("Any", SimpleNamespace(stages_ahead=lambda: ahead, reached="prepare"))
    outcome = timeout_outcome(journey, Halt(TIMEOUT, 0x1234), lambda _: "here")

    assert ("prepare", expected, 0x1234, "here") == (outcome.reached, outcome.waited_for, outcome.rip, outcome.symbol)
