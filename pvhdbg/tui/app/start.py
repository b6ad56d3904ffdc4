"""The TUI's front door: a live machine or a recording, until the user quits."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

from pvhdbg.errors import PvhdbgError
from pvhdbg.live.system.signals import exit_on_signals
from pvhdbg.tui.machine import terminal
from pvhdbg.tui.machine.event_queue import EventQueue, signals_end
from pvhdbg.tui.machine.machine_thread import MachineThread

if TYPE_CHECKING:
    from pvhdbg.boot.record.document import Document
    from pvhdbg.tui.machine.machine_thread import Launch
    from pvhdbg.tui.machine.terminal import Terminal
    from pvhdbg.tui.machine.worker import Worker
    from pvhdbg.tui.screen.state import Screen, StageMark

BEGINS_WITHIN, STOPS_WITHIN = 1.0, 0.5
"""Seconds after which it is to be seen what is waited for: QEMU and gdb, and then a guest that runs."""
_ON_ITS_WAY_WITHIN = 0.1
_STARTS_WITHIN, _ENDS_WITHIN = 1.0, 15.0


def live(launch: Launch, title: tuple[str, str], *, ascii: bool = False) -> None:  # noqa: A002  the option's name
    """A machine on the screen, which is not touched before there is one. `title` is its kernel, and what it is.

    :raise PvhdbgError: if it can't start.
    """
    inbox, ours, since = EventQueue(), terminal.ours(), time.monotonic()
    with exit_on_signals(), signals_end(inbox):
        thread = MachineThread(launch)
        # Imports go on while the machine starts; until it does they would only be in its way.
        thread.wait_on_its_way(_ON_ITS_WAY_WITHIN)
        from pvhdbg.tui.machine.worker import Worker
        from pvhdbg.tui.screen.state import Run, Screen, Title

        worker = Worker(Title(*title), inbox.take, ours)
        thread.serve(worker)
        try:
            _show(inbox, worker, Screen(Title(*title), Run(since=since), ascii=ascii), ours)
        finally:
            worker.keep_terminal(None)
            worker.close()
            thread.join(_ENDS_WITHIN if worker.has_begun else _STARTS_WITHIN)
    if worker.error is not None and not isinstance(worker.error, PvhdbgError):
        raise worker.error  # a bug on the way out


def _show(inbox: EventQueue, worker: Worker, screen: Screen, ours: Terminal | None) -> None:
    """What takes longest to import comes when there is something to see."""
    from pvhdbg.tui.app import first_picture

    if inbox.wait_begun(BEGINS_WITHIN):
        inbox.wait_stopped(STOPS_WITHIN)
    with first_picture.standing(first_picture.after(screen, inbox.kept)) as take_over:
        worker.is_seen.set()
        from pvhdbg.tui.app.app import Tui

        tui = Tui(screen, worker, terminal=ours)
        inbox.check()
        take_over()
        inbox.open(tui.emit)
        freeze_heap()
        tui.run()


def freeze_heap() -> None:
    """What there is now stays: to look through all of it for garbage again and again takes as long as ten keys."""
    gc.freeze()


def recorded(document: Document, name: str, *, ascii: bool = False) -> None:  # noqa: A002
    """A recording on the screen: its stages are browsed, nothing runs. Its prompt takes the commands of the table.

    `name` is the file's.
    """
    from pvhdbg import commands
    from pvhdbg.boot.session.recorded import RecordedSession
    from pvhdbg.tui.app.app import Tui

    session = RecordedSession(document)
    freeze_heap()
    with exit_on_signals():
        Tui(recording_screen(document, name, ascii=ascii), answer=lambda line: commands.run(session, line)).run()


def recording_screen(document: Document, name: str, *, ascii: bool = False) -> Screen:  # noqa: A002
    """Where a session would begin, at `prepare`, the other stops beside it; of a boot that failed, its end."""
    from pvhdbg.tui.events.update import looking
    from pvhdbg.tui.screen import state
    from pvhdbg.tui.screen.state import Run, Screen, Title

    last, machine, died = document.stops[-1] if document.stops else None, document.machine, document.outcome.died
    seen = Screen(
        Title(name, " ".join(filter(None, (machine.machine, machine.accel, machine.memory)))),
        Run(state.RECORDING, f"died: {died.how}" if died else document.outcome.ended, rip=last.rip if last else None),
        _marks(document),
        document.stops,
        last,
        image=document.kernel,
        focus=state.VIEW,
        view=state.FINDINGS if died else state.START_INFO,
        ascii=ascii,
        machine=machine,
        outcome=document.outcome,
    )
    return looking(seen, None if died else _first(document))


def _first(document: Document) -> int | None:
    """Null for the last stop."""
    from pvhdbg.boot.stop.stages import FIRST_STOP

    names = [each.stage for each in document.stops]
    at = names.index(FIRST_STOP) if FIRST_STOP in names else 0
    return at if at < len(names) - 1 else None


def _marks(document: Document) -> tuple[StageMark, ...]:
    from pvhdbg.boot.stop import stages
    from pvhdbg.tui.screen import state

    seen = [each.stage for each in document.stops]
    status = {name: state.HERE if name == seen[-1] else state.PASSED for name in seen}
    return tuple(
        state.StageMark(name, status[name]) if name in status else state.StageMark(name, state.LACKING, "not recorded")
        for name in stages.NAMES
    )
