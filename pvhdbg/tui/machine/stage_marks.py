"""The marks of the stages on the screen: here, passed, ahead, lacking, missed or undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import StageMark

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pvhdbg.live.debuggee.debuggee import Debuggee


def of(debuggee: Debuggee, here: str | None = None) -> tuple[StageMark, ...]:
    """Return the mark of each stage. `here` is the stage that the guest is stopped at."""
    passed = {capture.stage for capture in debuggee.journey.history}
    undone = debuggee.session.undone
    lacking = dict.fromkeys(debuggee.journey.passed, stages.MISSED) | debuggee.lacking()
    return tuple(_mark(name, here, passed, lacking, undone) for name in stages.NAMES)


def _mark(
    name: str, here: str | None, passed: Collection[str], lacking: Mapping[str, str], undone: Collection[str]
) -> StageMark:
    if name in lacking:
        return StageMark(name, state.MISSED if lacking[name] == stages.MISSED else state.LACKING, lacking[name])
    if name in undone:
        return StageMark(name, state.UNDONE, stages.UNDONE)
    status = state.HERE if name == here else state.PASSED if name in passed else state.AHEAD
    return StageMark(name, status)
