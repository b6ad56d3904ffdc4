"""The code at the displayed stop: live code, code that was read at an earlier stop, or the captured bytes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import code_paddr
from pvhdbg.boot.stop.evidence import CODE, CODE_BEFORE
from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.by_id import ById

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.tui.screen.state import Screen

BYTES_PER_LINE = 16
_IN_RECORDING = ("A recording has only the bytes of the code.", "Boot the kernel to see its instructions.")
_STEPPED_OVER = (
    "The machine did not stop at this stage, so the code was not read.",
    "To stop here, restart with `starti` or set a breakpoint.",
)


def code(screen: Screen) -> Code:
    """Return the live code for the current stop. For a past stop, return the code that was read there, or, if none was
    read, the captured bytes.
    """
    capture, is_recording = screen.capture, screen.run.kind == state.RECORDING
    if capture is None or (screen.past is None and not is_recording):
        return screen.code
    if capture.stage in screen.code_by_stage:
        return screen.code_by_stage[capture.stage]
    return _bytes(ById(capture), ById(screen.image), _IN_RECORDING if is_recording else _STEPPED_OVER)


@lru_cache(8)
def _bytes(capture: ById[Capture], image: ById[ImageFacts | None], reason: tuple[str, ...]) -> Code:
    """Return the captured bytes starting at RIP, and the reason why they are not disassembled."""
    rip, start = capture.value.rip, code_paddr(capture.value, image.value)
    if rip is None or start is None:
        return Code(why=f"RIP was not captured at {capture.value.stage}")
    sizes = range(CODE - CODE_BEFORE, 0, -1)
    data = next(filter(None, (capture.value.bytes_at(start, size) for size in sizes)), b"")
    if not data:
        return Code(why=f"no code captured at {rip:#x}")
    lines = (_line(data, rip, offset) for offset in range(0, len(data), BYTES_PER_LINE))
    title = f"captured bytes, not disassembled: {stages.stage(capture.value.stage, image.value).about}"
    return Code(title, (*lines, CodeLine(""), *map(CodeLine, reason)))


def _line(data: bytes, rip: int, offset: int) -> CodeLine:
    return CodeLine(data[offset : offset + BYTES_PER_LINE].hex(" "), rip + offset, None, current=offset == 0)
