"""The code at the displayed stop: live code, code that was read at an earlier stop, or what was recorded of it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.by_id import ById

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.debuggee.code import Code
    from pvhdbg.live.instructions.next_instruction import NextInstruction
    from pvhdbg.tui.screen.state import Screen


def code(screen: Screen) -> Code:
    """Return the live code for the current stop. For a past stop, return the code that was read there, or, if none was
    read, the recorded code.
    """
    capture = screen.capture
    if screen.moment is not None:
        return screen.moment.code
    if capture is None or (screen.past is None and screen.run.kind != state.RECORDING):
        return screen.code
    if capture.stage in screen.code_by_stage:
        return screen.code_by_stage[capture.stage]
    return _recorded(ById(capture), ById(screen.image))


def next_instruction(screen: Screen) -> NextInstruction | None:
    """Return the instruction at RIP of the displayed stop, with what it accesses; None if it is not known."""
    if screen.moment is not None:
        return screen.moment.next
    if screen.past is not None and screen.capture:
        return screen.next_by_stage.get(screen.capture.stage)
    return screen.next


@lru_cache(8)
def _recorded(capture: ById[Capture], image: ById[ImageFacts | None]) -> Code:
    from pvhdbg.tui.screen import recorded_code

    return recorded_code.code(capture.value, image.value)
