"""The events about a stop: the state of the guest, the code at RIP and the kernel's log; and its serial output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.live.debuggee.code import as_rows
from pvhdbg.target.base import DIED
from pvhdbg.tui.events import events
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pvhdbg.boot.record.document import Document
    from pvhdbg.live.debuggee.code import Code
    from pvhdbg.live.debuggee.debuggee import Debuggee, Position
    from pvhdbg.live.qemu.serial import Serial
    from pvhdbg.tui.screen.state import StageMark


def run_state(position: Position) -> Run:
    halt = position.halt
    if halt.kind == DIED:
        return Run(state.DEAD, halt.how or "", 0.0, halt.message or halt.how or "", halt.rip, position.symbol)
    where = position.stage or halt.message.partition(", ")[0]  # of a watchpoint, only its number
    return Run(state.STOPPED, where, 0.0, "", halt.rip, position.symbol)


def stopped(debuggee: Debuggee, position: Position, marks: tuple[StageMark, ...]) -> events.GuestStopped:
    history, ended = tuple(debuggee.journey.history), debuggee.session.ended
    return events.GuestStopped(run_state(position), position.capture, history, marks, ended, debuggee.times_back)


def after_stop(debuggee: Debuggee, position: Position) -> Iterator[events.Event]:
    """Yield what takes longer to find than the position itself: the code there, and the kernel's log."""
    from pvhdbg.tui.machine import log_reader  # not before the first picture, which has no log

    here = debuggee.code_at_rip(position.capture.cpu_mode)
    codes = {**debuggee.code_at_passed_stages(), **({position.stage: here} if position.stage else {})}
    debuggee.session.codes.update({stage: rows for stage, code in codes.items() if (rows := as_rows(code))})
    yield events.CodeRead(here, codes)
    yield next_instructions(debuggee, position, here)
    yield events.LogRead(log_reader.read(debuggee, position.capture), position.stage)


def next_instructions(debuggee: Debuggee, position: Position, code: Code) -> events.NextRead:
    """Read what the next instruction accesses. Of past stages, only the capture knows it.

    The capture may lack the page tables that lead to `code`, such as those of Xen.
    """
    from pvhdbg.live.instructions.next_instruction import at_stop, of_bytes

    target, image = debuggee.journey.target, debuggee.image
    past = {capture.stage: at_stop(capture, image) for capture in debuggee.journey.history}
    here = at_stop(position.capture, image, target)
    if here is None and (raw := next((line.raw for line in code.lines if line.current and line.raw), b"")):
        here = of_bytes(raw, position.capture, image, target)
    return events.NextRead(here, position.stage, past)


def recorded_instructions(document: Document) -> events.NextRead:
    """Return the next instruction at each stop of a recording, as far as their bytes were recorded."""
    from pvhdbg.live.instructions.next_instruction import at_stop

    found = {capture.stage: at_stop(capture, document.kernel) for capture in document.stops}
    return events.NextRead(found[document.stops[-1].stage] if document.stops else None, None, found)


def follow_serial(serial: Serial, emit: Callable[[events.Event], None]) -> None:
    """Emit what the guest writes on its serial console from now on."""
    position = serial.since(0)[1]

    def emit_new() -> None:
        nonlocal position
        data, position = serial.since(position)
        if data:
            emit(events.SerialOutput(data))

    serial.on_data = emit_new
