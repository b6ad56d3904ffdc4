"""What the screen shows at a step of a trace: the machine before the step, its code, and its next instruction."""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import MISSING_STAGE
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.screen import recorded_code

if TYPE_CHECKING:
    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.record.trace import TracedCode
    from pvhdbg.boot.record.trace_index import TraceIndex
    from pvhdbg.boot.stop.capture import Capture, CodeRow
    from pvhdbg.live.debuggee.code import Code
    from pvhdbg.live.instructions.next_instruction import NextInstruction

_AROUND = 64
"""How many instructions before RIP, and from there on, the code view lists."""


class Moment(NamedTuple):
    """A step of a trace, before its instruction is executed.

    `past` is the index of the last captured stage before it, `before` the capture one instruction earlier.
    """

    step: int
    past: int
    capture: Capture
    before: Capture
    code: Code
    next: NextInstruction | None
    symbol: str | None


class Moments:
    """The steps of the trace of a recording. It remembers the last ones that it was asked for."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.capture_at = lru_cache(32)(self._capture_at)
        self.at = lru_cache(32)(self._at)

    @cached_property
    def index(self) -> TraceIndex:
        from pvhdbg.boot.record.trace_index import TraceIndex

        assert self._document.trace is not None  # noqa: S101  only a recording with a trace has moments
        return TraceIndex(self._document, self._document.trace)

    @property
    def count(self) -> int:
        return len(self.index.trace.steps)

    def stage_at(self, step: int) -> int | None:
        """Return the index of the captured stage at a step; None if there is none."""
        return next((self._number(place.capture) for place in self.index.places if place.step == step), None)

    def step_of(self, past: int) -> int | None:
        """Return the step at which a captured stage is; None if it is not in the trace."""
        capture = self._document.stops[past]
        return next((place.step for place in self.index.places if place.capture is capture), None)

    def memory_at(self, step: int) -> tuple[tuple[int, bytes], ...]:
        return self.index.memory_at(step)

    def _number(self, capture: Capture) -> int:
        return next(index for index, stop in enumerate(self._document.stops) if stop is capture)

    def _at(self, step: int) -> Moment:
        place = self.index.place_before(step)
        capture = self.capture_at(step)
        code = self.index.code_at(step)
        return Moment(
            step,
            self._number(place.capture) if place else 0,
            capture,
            self.capture_at(max(step - 1, 0)),
            self._code(code),
            self._next(capture, code, step),
            code.symbol,
        )

    def _capture_at(self, step: int) -> Capture:
        """Return the capture of a stage or, between two stages, what the trace proves."""
        from pvhdbg.boot.stop.read import read_capture

        stop, image = self.index.place_before(step), self._document.kernel
        if stop is not None and stop.step == step:
            return stop.capture
        stage = stop.capture.stage if stop and stop.capture.stage in stages.NAMES else stages.UNSEEN
        entry = next((capture.start_info for capture in self._document.stops if capture.stage == "entry"), None)
        more = stages.filled_in_after(stage, image) if stage in stages.NAMES else ()
        capture = read_capture(self.index.target_at(step), stage, image, entry.at if entry else None, more)
        return capture._replace(missing={**capture.missing, MISSING_STAGE: f"after {stage}, at no stage"})

    def _next(self, capture: Capture, code: TracedCode, step: int) -> NextInstruction | None:
        from pvhdbg.live.instructions.next_instruction import of_bytes

        return of_bytes(code.raw, capture, self._document.kernel, self.index.target_at(step))

    @cached_property
    def _sorted(self) -> list[TracedCode]:
        return sorted({code.rip: code for code in self.index.trace.code}.values())

    def _code(self, here: TracedCode) -> Code:
        """List the executed instructions around one; a row of its own is where some were not executed."""
        from pvhdbg.live.debuggee.code import Code, CodeLine

        at = bisect_left(self._sorted, here.rip, key=lambda code: code.rip)
        near = self._sorted[max(at - _AROUND, 0) : at + _AROUND]
        blocks: list[list[CodeRow]] = []
        end = -1
        for code in near:
            row = _row(here if code.rip == here.rip else code)
            if row.address != end:
                blocks.append([])
            blocks[-1].append(row)
            end = row.address + len(row.raw)
        lines: list[CodeLine] = []
        for block in blocks:
            lines += [CodeLine("…", None)] if lines else []
            lines += recorded_code.with_source(block, here.rip)
        return Code(f"executed instructions: {here.symbol or 'no symbol'}", tuple(lines))


def _row(code: TracedCode) -> CodeRow:
    from pvhdbg.boot.stop.capture import CodeRow

    return CodeRow(code.rip, code.raw, code.text, code.source)
