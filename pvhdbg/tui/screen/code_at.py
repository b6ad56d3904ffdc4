"""The code of what is looked at: where the machine stands, where it stood, or the bytes that were captured there."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import code_paddr
from pvhdbg.boot.stop.read import CODE, CODE_BEFORE
from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.by_id import ById

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.tui.screen.state import Screen

BYTES_A_LINE = 16
_NO_DISASSEMBLER = ("A recording has bytes alone.", "Booted again, the kernel shows its instructions here.")
_PASSED_BY = (
    "The machine did not stop here.",
    "After `starti`, or with a breakpoint here, it does.",
)


def code(screen: Screen) -> Code:
    """Of the past what was shown there then; else, and of recordings, what was captured."""
    seen, is_recording = screen.looked_at, screen.run.kind == state.RECORDING
    if seen is None or (screen.past is None and not is_recording):
        return screen.code
    if seen.stage in screen.codes:
        return screen.codes[seen.stage]
    return _captured(ById(seen), ById(screen.image), _NO_DISASSEMBLER if is_recording else _PASSED_BY)


@lru_cache(8)
def _captured(seen: ById[Capture], image: ById[ImageFacts | None], why: tuple[str, ...]) -> Code:
    """The bytes from RIP on."""
    rip, start = seen.it.rip, code_paddr(seen.it, image.it)
    if rip is None or start is None:
        return Code(why=f"where the CPU stood was not captured at {seen.it.stage}")
    sizes = range(CODE - CODE_BEFORE, 0, -1)
    data = next(filter(None, (seen.it.bytes_at(start, size) for size in sizes)), b"")
    if not data:
        return Code(why=f"nothing was captured at {rip:#x}")
    lines = (_line(data, rip, at) for at in range(0, len(data), BYTES_A_LINE))
    title = f"captured bytes, not disassembled: {stages.stage(seen.it.stage).about}"
    return Code(title, (*lines, CodeLine(""), *map(CodeLine, why)))


def _line(data: bytes, rip: int, at: int) -> CodeLine:
    return CodeLine(data[at : at + BYTES_A_LINE].hex(" "), rip + at, None, current=at == 0)
