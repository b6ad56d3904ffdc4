"""The code at the displayed stop: live code, code that was read at an earlier stop, or what was recorded of it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.stop.address import linear_address
from pvhdbg.live.debuggee.code import Code
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.by_id import ById

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
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


def until_read(screen: Screen, arrived: Capture, stage: str) -> Code:
    """Return the code to show at a stop until its own code has been read. RIP is never shown where it was before.

    This is the code that is already shown, if the guest is still in it, or what was read earlier at this stage.
    """
    before, rip = screen.now, linear_address(arrived.rip or 0, arrived.registers)
    is_same_mode = before is not None and before.cpu_mode == arrived.cpu_mode
    known = (_at_rip(screen.code, rip) if is_same_mode else None, screen.code_by_stage.get(stage))
    return next((code for code in known if code is not None and _address(code) == rip), Code())


def _address(code: Code) -> int | None:
    return next((line.address for line in code.lines if line.current and line.address is not None), None)


def _at_rip(code: Code, rip: int) -> Code | None:
    """Return the code with RIP at another of its instructions; None if it has none at this address."""
    index = next((index for index, line in enumerate(code.lines) if line.address == rip), None)
    if index is None:
        return None
    old = next((line.source for line in code.lines if line.current and line.address is not None), "")
    source, title = code.lines[index].source, code.title
    first = max((at for at, line in enumerate(code.lines[:index]) if line.number is not None), default=None)
    lines = tuple(line._replace(current=at in (index, first)) for at, line in enumerate(code.lines))
    return Code(source + title.removeprefix(old) if old and source else title, lines)


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
