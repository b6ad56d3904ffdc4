"""The entry points of the TUI: run it over a live machine or a recording, until the user quits."""

from __future__ import annotations

import gc
import threading
import time
from typing import TYPE_CHECKING

from pvhdbg.errors import PvhdbgError
from pvhdbg.live.system.signals import exit_on_signals
from pvhdbg.tui.machine import terminal
from pvhdbg.tui.machine.event_queue import EventQueue, signals_end_wait
from pvhdbg.tui.machine.machine_thread import MachineThread

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.boot.record.document import Document, Outcome
    from pvhdbg.tui.app.tour.guide import Boots
    from pvhdbg.tui.machine.machine_thread import Launch
    from pvhdbg.tui.machine.terminal import Terminal
    from pvhdbg.tui.machine.worker import Worker
    from pvhdbg.tui.screen.moments import Moments
    from pvhdbg.tui.screen.state import Screen, StageMark
    from pvhdbg.tui.screen.tour import Tour

    TourAndBoots = tuple[Tour, Boots]

START_TIMEOUT, STOP_TIMEOUT = 1.0, 0.5
"""Seconds to wait for the start of QEMU and gdb, and then for the first stop, before the screen shows the wait."""
_PROCESSES_TIMEOUT = 0.5
"""Seconds to wait until QEMU, or gdb for `attach`, has been started, before the screen's own modules are imported."""
_FAILED_START_TIMEOUT, _EXIT_TIMEOUT = 1.0, 15.0


def run_live(
    launch: Launch,
    title: tuple[str, str],
    *,
    ascii: bool = False,  # noqa: A002  the option's name
    theme: str = "auto",
    tour: TourAndBoots | None = None,
    greeting: Callable[[], str] = str,
) -> None:
    """Run the TUI over a live machine. `title` names its kernel and the machine.

    The terminal is not touched until the machine has started, or its start takes longer than START_TIMEOUT. `tour` is
    the tour, if the user takes it. `greeting` returns a line for the user, or an empty string.

    :raise PvhdbgError: if the machine can't start.
    """
    event_queue, current, since = EventQueue(), terminal.current(), time.monotonic()
    with terminal.closed_as_hangup(), exit_on_signals(), signals_end_wait(event_queue):
        thread = MachineThread(launch)
        # More modules are imported only after QEMU has been started, because imports would delay its start.
        thread.wait_processes_started(_PROCESSES_TIMEOUT)
        from pvhdbg.tui.machine.worker import Worker
        from pvhdbg.tui.screen.state import Run, Screen, Title

        worker = Worker(Title(*title), event_queue.put, current)
        thread.serve(worker)
        try:
            screen = Screen(Title(*title), Run(since=since), ascii=ascii, theme=theme)
            _show(event_queue, worker, _in_tour(screen, tour), current, tour and tour[1], greeting)
        finally:
            worker.protect_terminal(None)
            worker.close()
            thread.join(_EXIT_TIMEOUT if worker.has_machine else _FAILED_START_TIMEOUT)
    if worker.error is not None and not isinstance(worker.error, PvhdbgError):
        raise worker.error  # a bug


def _in_tour(screen: Screen, tour: TourAndBoots | None) -> Screen:
    """Return the screen with the tour, whose card has the focus."""
    from pvhdbg.tui.screen import state

    return screen._replace(tour=tour[0]._replace(awaits=True), focus=state.CARD) if tour else screen


def _at_card(screen: Screen) -> Screen:
    from pvhdbg.tui.app.tour import place

    return place.arrived(screen)


def _show(
    event_queue: EventQueue,
    worker: Worker,
    screen: Screen,
    current: Terminal | None,
    boots: Boots | None,
    greeting: Callable[[], str],
) -> None:
    """Show the first stop, import prompt_toolkit, which takes longest, and run the TUI.

    What the first picture does not need comes after it.
    """
    from pvhdbg.tui.app import first_picture

    if event_queue.wait_started(START_TIMEOUT):
        event_queue.wait_stopped(STOP_TIMEOUT)
    first = first_picture.at_first_stop(screen, event_queue.events)
    with first_picture.displayed(_at_card(first) if first and boots else first) as keep:
        worker.first_stop_shown.set()
        screen = _with_greeting(screen, greeting())
        from pvhdbg.tui.app.app import Tui, use_terminal

        use_terminal()
        tui = Tui(screen, worker, terminal=current, boots=boots)
        event_queue.check()
        keep()
        event_queue.forward_to(tui.emit)
        freeze_heap()
        tui.run()


def _with_greeting(screen: Screen, greeting: str) -> Screen:
    return screen._replace(output=(f"pvhdbg: {greeting}", "")) if greeting else screen


def freeze_heap() -> None:
    """Exclude all existing objects from garbage collection: one pass over them takes as long as handling ten keys."""
    gc.freeze()


def run_recording(document: Document, screen: Screen) -> None:
    """Run the TUI over a recording: its stages can be browsed, and its prompt takes pvhdbg's commands.

    `screen` is its first screen.
    """
    from pvhdbg import commands
    from pvhdbg.boot.session.recorded import RecordedSession
    from pvhdbg.tui.app.app import Tui, use_terminal
    from pvhdbg.tui.machine.stop_events import recorded_instructions

    session, event_queue = RecordedSession(document), EventQueue()
    freeze_heap()
    with terminal.closed_as_hangup(), exit_on_signals(), signals_end_wait(event_queue):
        use_terminal()
        tui = Tui(screen, answer=lambda line: commands.run(session, line))
        event_queue.forward_to(tui.emit)
        threading.Thread(target=lambda: tui.emit(recorded_instructions(document)), daemon=True).start()
        tui.run()


def run_recorded_tour(tour: TourAndBoots, *, ascii: bool = False, theme: str = "auto") -> None:  # noqa: A002
    """Run the TUI over the recordings of the tour."""
    from pvhdbg.tui.app.app import Tui, use_terminal

    shown, boots = tour
    if boots.recorded is None:
        return
    event_queue = EventQueue()
    screen = _in_tour(boots.recorded(shown.shown.boot)._replace(ascii=ascii, theme=theme), tour)
    freeze_heap()
    with terminal.closed_as_hangup(), exit_on_signals(), signals_end_wait(event_queue):
        use_terminal()
        tui = Tui(screen, answer=lambda line: f"not available in a tour of recordings: {line}", boots=boots)
        event_queue.forward_to(tui.emit)
        tui.run()


def recording_screen(document: Document, name: str, *, ascii: bool = False, greeting: str = "") -> Screen:  # noqa: A002
    """Return the first screen of a recording: at `prepare`, where a live session begins, or at the guest's death.

    `name` is the name of its file, `greeting` a line for the user.

    A trace begins at its first instruction.
    """
    from pvhdbg.boot.session.recorded import RecordedSession
    from pvhdbg.tui.events.update import show_stage
    from pvhdbg.tui.machine.log_reader import read_recorded
    from pvhdbg.tui.screen import state
    from pvhdbg.tui.screen.state import Run, Screen, Title
    from pvhdbg.tui.views import table

    session = RecordedSession(document)
    logs = {capture.stage: read_recorded(session, capture) for capture in document.stops}
    last, machine, died = document.stops[-1] if document.stops else None, document.machine, document.outcome.died
    screen = Screen(
        Title(name, " ".join(filter(None, (machine.machine, machine.accel, machine.memory)))),
        Run(state.RECORDING, _ending(document.outcome), rip=last.rip if last else None),
        _marks(document),
        document.kernel,
        machine,
        history=document.stops,
        now=last,
        focus=state.VIEW,
        view=table.FINDINGS.name if died else table.FIRST.name,
        ascii=ascii,
        outcome=document.outcome,
        log=logs[last.stage] if last else state.Log(why="the recording has no stops"),
        log_by_stage=logs,
        trace=_moments(document),
        output=(f"pvhdbg: {greeting}", "") if greeting else (),
    )
    return show_stage(screen, None if died else _first_index(document))


def _moments(document: Document) -> Moments | None:
    """Return the steps of the trace, if it begins at a stop of the recording."""
    from pvhdbg.tui.screen.moments import Moments

    trace = document.trace
    if trace is None or not trace.steps or not any(trace.stops.get(stop.stage) == 0 for stop in document.stops):
        return None
    return Moments(document)


def _ending(outcome: Outcome) -> str:
    """Describe how the recorded run ended. Return "" if it reached its last stage."""
    from pvhdbg.boot.record.document import DONE, HALTED, PANICKED, RUNAWAY, TIMED_OUT

    if outcome.died:
        return f"died: {outcome.died.how.replace('-', ' ')}"
    ends = {PANICKED: "panicked", HALTED: "halted", RUNAWAY: "executes zero bytes"}
    if outcome.watched is not None and outcome.watched.ended in ends:
        return ends[outcome.watched.ended]
    return {DONE: "", TIMED_OUT: "timed out"}.get(outcome.ended, outcome.ended)


def _first_index(document: Document) -> int | None:
    """Return the index of the stop to begin at, or None if it is the last one."""
    from pvhdbg.boot.stop.stages import FIRST_STOP

    names = [stop.stage for stop in document.stops]
    at = names.index(FIRST_STOP) if FIRST_STOP in names and document.trace is None else 0
    return at if at < len(names) - 1 else None


def _marks(document: Document) -> tuple[StageMark, ...]:
    from pvhdbg.boot.record.document import DONE
    from pvhdbg.boot.stop import stages
    from pvhdbg.tui.screen import state

    recorded = [stop.stage for stop in document.stops]
    status = {name: state.HERE if name == recorded[-1] else state.PASSED for name in recorded}
    last = max((stages.NAMES.index(name) for name in recorded if name in stages.NAMES), default=-1)
    if document.outcome.ended != DONE:  # what the guest did not reach is not what it lacks
        status |= {it.name: state.AHEAD for it in stages.of(document.kernel)[last + 1 :] if it.lacking is None}
    return tuple(
        state.StageMark(name, status[name]) if name in status else state.StageMark(name, state.LACKING, "not recorded")
        for name in stages.NAMES
    )
