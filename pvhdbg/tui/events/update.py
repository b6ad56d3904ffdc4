"""(Screen, event) -> Screen. Pure functions."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from pvhdbg.boot.record import compare
from pvhdbg.boot.record.document import HALTED, PANICKED
from pvhdbg.tui.events import events
from pvhdbg.tui.events.news import mark_read, news, show_new, with_new_lines
from pvhdbg.tui.screen import changes, code_at, ending, findings, scrollback, state
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.screen.state import Log, MemoryRequest, Run, Screen
from pvhdbg.tui.views import serial, table
from pvhdbg.tui.views.shown import at_same_row, at_sought

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.screen.moments import Moment


def update(screen: Screen, event: events.Event) -> Screen:
    """Return the screen after an event."""
    return mark_read(_UPDATES[type(event)](screen, event))


def merge_output(waiting: Iterable[events.Event]) -> Iterator[events.Event]:
    """Yield the events, with consecutive pieces of output joined, because each append copies all lines of the pane."""
    for kind, run in groupby(waiting, type):
        if kind is events.GdbOutput:
            yield events.GdbOutput("".join(event.text for event in run if isinstance(event, events.GdbOutput)))
        elif kind is events.SerialOutput:
            yield events.SerialOutput(b"".join(event.data for event in run if isinstance(event, events.SerialOutput)))
        else:
            yield from run


def show_stage(screen: Screen, past: int | None) -> Screen:
    """Show the capture at the index `past` of the history, or the current stop if `past` is None."""
    return _shown(screen, screen._replace(past=past, moment=None))


def show_moment(screen: Screen, moment: Moment) -> Screen:
    """Show a step of the trace."""
    return _shown(screen, screen._replace(past=moment.past, moment=moment))


def _shown(before: Screen, screen: Screen) -> Screen:
    shown = compare_and_check(_at_start_rows(screen))
    shown = shown._replace(only_changes=shown.only_changes and bool(shown.old_values))
    return _reread_bytes(at_same_row(before, shown))


def compare_and_check(screen: Screen) -> Screen:
    """Update the changes and the findings of the displayed capture.

    The capture is compared with the previous stage and, at the current stop, also with `Screen.arrival`.
    """
    arrival = screen.arrival if screen.past is None else None
    earlier = (ById(changes.stage_before(screen)), ById(arrival))
    return screen._replace(
        old_values=_old_values(earlier, ById(screen.capture)),
        findings=findings.current_findings(screen),
        boot_findings=findings.boot_findings(screen),
    )


@lru_cache(16)
def _old_values(earlier: tuple[ById[Capture | None], ...], shown: ById[Capture | None]) -> Mapping[str, object]:
    """Return what a capture changed since earlier ones: for the same captures the same object, so panes are kept."""
    values: dict[str, object] = {}
    for before in earlier:
        if shown.value is not None and before.value is not None and before.value is not shown.value:
            values |= compare.values_before(before.value, shown.value)
    return values


def _machine_started(screen: Screen, event: events.MachineStarted) -> Screen:
    """Forget everything about the previous machine. The new machine is at its reset vector.

    What gdb printed stays, and a line says where the new boot begins.
    """
    started = f"pvhdbg: a new boot of {event.title.kernel}\n"
    output = scrollback.add_gdb_output(screen.output, started) if screen.output else ()
    return screen._replace(
        title=event.title,
        run=Run(),
        image=event.image,
        stages=event.stages,
        is_own_machine=event.is_own_machine,
        machine=event.machine,
        history=(),
        now=None,
        past=None,
        old_values={},
        findings=(),
        boot_findings=(),
        code_by_stage={},
        next=None,
        next_by_stage={},
        before=None,
        serial=(),
        log=Log(),
        log_by_stage={},
        text_tops={},
        unread=frozenset(),
        arrival=None,
        outcome=None,
        output=output,
        view=_view_after_restart(screen),
    )


def _view_after_restart(screen: Screen) -> str:
    """Return the view to show after a restart. Leave the findings if they were shown because the guest died."""
    has_ended = screen.run.kind == state.DEAD or ending.of(screen) is not None
    return table.FIRST.name if has_ended and table.shown(screen) is table.FINDINGS else screen.view


def _guest_runs(screen: Screen, event: events.GuestRuns) -> Screen:
    if screen.run.kind == state.DEAD:
        return screen
    marks = tuple(mark._replace(status=state.PASSED) if mark.status == state.HERE else mark for mark in screen.stages)
    return screen._replace(run=Run(state.RUNNING, screen.run.where, event.since), stages=marks)


def _kernel_identified(screen: Screen, event: events.KernelIdentified) -> Screen:
    return screen._replace(image=event.image)


def _guest_stopped(screen: Screen, event: events.GuestStopped) -> Screen:
    """Show the stop. If the guest moved, return from a past stage, and report what is new."""
    stopped = screen._replace(
        run=event.run,
        now=event.now,
        history=event.history,
        stages=event.stages,
        outcome=event.outcome,
        times_back=event.times_back,
    )
    if event.run == screen.run:
        return _reread_bytes(compare_and_check(stopped._replace(sought=None)))
    code = code_at.until_read(screen, event.now, event.run.where)
    stopped = stopped._replace(
        code=code,
        past=None,
        arrival=event.now,
        before=_stop_before(screen, stopped),
        next=None,
        detail_top=0,
        only_changes=False,
    )
    stopped = compare_and_check(_with_end(screen, _with_death(screen, _at_start_rows(stopped))))
    stopped = at_same_row(screen, stopped)
    if len(event.history) > len(screen.history):
        stopped = _with_news(screen, stopped)
    return _reread_bytes(at_sought(stopped._replace(sought=None), screen.sought))


def _stop_before(screen: Screen, stopped: Screen) -> Capture | None:
    """Return the stop before this one. None if the machine went back: what was shown is later in guest time."""
    if stopped.times_back != screen.times_back:
        return None
    return screen.now or changes.stage_before(stopped._replace(past=None))


def _with_news(before: Screen, screen: Screen) -> Screen:
    """Report what is new at a stage, unless there is another message than the news of the stage before."""
    if screen.run.kind == state.STOPPED and ending.of(screen) is None:
        screen = show_new(screen)
    return screen._replace(message=news(screen)) if screen.message in ("", news(before)) else screen


def _with_death(before: Screen, screen: Screen) -> Screen:
    """If the guest has just died, report how and where, and show the findings."""
    if screen.run.kind != state.DEAD or before.run.kind == state.DEAD:
        return screen
    message = "; ".join(filter(None, (f"the guest died: {ending.how_it_died(screen)}", _rip(screen.run))))
    written = serial.last_line(screen.serial)
    last = f'pvhdbg: the last line on its serial console (view {table.SERIAL.key}): "{written}"\n' if written else ""
    output = scrollback.add_gdb_output(screen.output, f"pvhdbg: {message}\n{last}")
    return screen._replace(view=table.FINDINGS.name, message=message, output=output)


def _with_end(before: Screen, screen: Screen) -> Screen:
    """If the guest has ended without dying, report how. Show the findings of a panic, or what a halted guest wrote."""
    watched = ending.of(screen)
    if watched is None or screen.outcome == before.outcome:
        return screen
    message = ending.message(watched, is_own_machine=screen.is_own_machine)
    output = scrollback.add_gdb_output(screen.output, f"pvhdbg: {message}\n")
    top = ending.panic_line(screen.serial) if watched.ended == PANICKED else None
    tops = {name: line for name, line in screen.text_tops.items() if name != table.SERIAL.name}
    view = table.FINDINGS if watched.ended != HALTED or not watched.serial else table.SERIAL
    tops = tops if top is None else {**tops, table.SERIAL.name: top}
    return screen._replace(view=view.name, message=message, output=output, text_tops=tops)


def _rip(run: Run) -> str:
    return "" if run.rip is None else f"rip {run.rip:#x} {run.symbol or ''}".rstrip()


def _at_start_rows(screen: Screen) -> Screen:
    """Reset the cursor in views that follow the stop: the code is shown at RIP again."""
    kept = {name: position for name, position in screen.positions.items() if not table.BY_NAME[name].follows_stop}
    return screen._replace(positions=kept)


def _reread_bytes(screen: Screen) -> Screen:
    """Request the memory in the bytes view again, now from the displayed stop."""
    if screen.bytes.data == b"" or screen.memory_request is not None:
        return screen
    return screen._replace(memory_request=MemoryRequest("", 0, screen.bytes.paddr))


def _machine_lost(screen: Screen, event: events.MachineLost) -> Screen:
    return screen._replace(run=Run(state.ENDED, event.why), message=event.why)


def _code_read(screen: Screen, event: events.CodeRead) -> Screen:
    return screen._replace(code=event.code, code_by_stage={**screen.code_by_stage, **event.code_by_stage})


def _next_read(screen: Screen, event: events.NextRead) -> Screen:
    """What was read from the machine at a stage stays known when the machine has left it."""
    by_stage = {**event.by_stage, **screen.next_by_stage, **({event.stage: event.next} if event.stage else {})}
    return screen._replace(next=event.next, next_by_stage=by_stage)


def _log_read(screen: Screen, event: events.LogRead) -> Screen:
    by_stage = {**screen.log_by_stage, event.stage: event.log} if event.stage else screen.log_by_stage
    if len(event.log.lines) > len(screen.log.lines):
        screen = with_new_lines(screen, table.LOG)
    return screen._replace(log=event.log, log_by_stage=by_stage)


def _memory_read(screen: Screen, event: events.MemoryRead) -> Screen:
    """Ignore the memory if the user has moved to another stage since the request."""
    is_of_now = event.past is None and screen.past is None
    is_of_capture = event.past is not None and event.past is screen.capture
    return screen._replace(bytes=event.bytes) if is_of_now or is_of_capture else screen


def _gdb_busy(screen: Screen, event: events.GdbBusy) -> Screen:
    return screen._replace(busy=event.busy, work=event.work, work_since=event.since)


def _gdb_output(screen: Screen, event: events.GdbOutput) -> Screen:
    return screen._replace(output=scrollback.add_gdb_output(screen.output, event.text))


def _serial_output(screen: Screen, event: events.SerialOutput) -> Screen:
    written = scrollback.add_serial_output(screen.serial, event.data)
    return with_new_lines(screen._replace(serial=written), table.SERIAL)


def _serial_rewound(screen: Screen, event: events.SerialRewound) -> Screen:
    written = scrollback.add_serial_output((), event.data) if event.data else ()
    return screen._replace(serial=written, unread=screen.unread - {table.SERIAL.name})


def _symbols_changed(screen: Screen, event: events.SymbolsChanged) -> Screen:
    return screen._replace(symbols=event.state, symbols_since=event.since)


def _queue_length(screen: Screen, event: events.QueueLength) -> Screen:
    return screen._replace(queued=event.waiting, first_queued=event.first)


def _lines_wanted(screen: Screen, event: events.LinesWanted) -> Screen:
    return screen._replace(reads_lines=event.more)


def _tour_boot(screen: Screen, event: events.TourBoot) -> Screen:
    tour = screen.tour._replace(boot=event.name) if screen.tour else None
    fresh = Screen(screen.title)
    outdated = ("run", "history", "now", "past", "arrival", "old_values", "findings", "boot_findings")
    return screen._replace(tour=tour, **{name: getattr(fresh, name) for name in outdated})


def _tour_ran(screen: Screen, _event: events.TourRan) -> Screen:
    return screen._replace(tour=screen.tour._replace(has_run=True)) if screen.tour else screen


def _message(screen: Screen, event: events.Message) -> Screen:
    message = event.message + (f" (hint: {event.hint})" if event.hint else "")
    output = scrollback.add_gdb_output(screen.output, f"pvhdbg: {message}\n")
    return screen._replace(message=message, output=output)


def _exit_requested(screen: Screen, _event: events.ExitRequested) -> Screen:
    return screen


def _thread_ended(screen: Screen, _event: events.ThreadEnded) -> Screen:
    return screen._replace(run=Run(state.ENDED))


_UPDATES: dict[type, Callable[[Screen, Any], Screen]] = {
    events.MachineStarted: _machine_started,
    events.GuestRuns: _guest_runs,
    events.KernelIdentified: _kernel_identified,
    events.GuestStopped: _guest_stopped,
    events.MachineLost: _machine_lost,
    events.CodeRead: _code_read,
    events.NextRead: _next_read,
    events.LogRead: _log_read,
    events.MemoryRead: _memory_read,
    events.GdbOutput: _gdb_output,
    events.SerialOutput: _serial_output,
    events.SerialRewound: _serial_rewound,
    events.SymbolsChanged: _symbols_changed,
    events.QueueLength: _queue_length,
    events.GdbBusy: _gdb_busy,
    events.LinesWanted: _lines_wanted,
    events.Message: _message,
    events.TourBoot: _tour_boot,
    events.TourRan: _tour_ran,
    events.ExitRequested: _exit_requested,
    events.ThreadEnded: _thread_ended,
}
