"""A session with a recording."""

from __future__ import annotations

import pytest

from pvhdbg.boot.session.recorded import RecordedSession
from pvhdbg.boot.stop.stages import STAGES
from pvhdbg.errors import UserError
from tests import build


def test_a_stage_that_was_not_captured_is_missing() -> None:
    boot = build.boot()
    short = RecordedSession(boot._replace(stops=boot.stops[:2]))

    assert [None, None, "not in this recording"] == [short.why_lacking(stage) for stage in STAGES[:3]]


def test_a_recording_refuses_to_run_and_to_change_anything() -> None:
    session = RecordedSession(build.boot())

    for refuse in (session.next_stage, lambda: session.go("kernel"), lambda: session.rewrite("v0")):
        with pytest.raises(UserError, match=r"^a recording can't run$"):
            refuse()


def test_a_symbol_that_was_not_captured_is_unknown() -> None:
    session = RecordedSession(build.boot())

    with pytest.raises(UserError, match=r"^no symbol start_kernel_$"):
        session.evaluate("start_kernel_", session.history[-1])
