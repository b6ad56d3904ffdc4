"""Everything that pvhdbg shows of a run: reports, JSON, answers to commands, and the screen while keys are pressed."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hypothesis import strategies as st

from pvhdbg import commands
from pvhdbg.boot.record.document import Document
from pvhdbg.boot.record.replay import replay
from pvhdbg.boot.session.recorded import RecordedSession
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.errors import PvhdbgError
from pvhdbg.tui.app.actions import ACTIONS, act, submit_entry
from pvhdbg.tui.app.selection.selected_row import selected_text
from pvhdbg.tui.app.start import recording_screen
from pvhdbg.tui.draw.layout import BELOW, Size
from pvhdbg.tui.events.events import GuestStopped, MachineStarted
from pvhdbg.tui.events.update import update
from pvhdbg.tui.machine.memory_view import captured_event
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Run, Screen, StageMark, Title
from pvhdbg.views.report import run_text
from pvhdbg.views.to_json import document_json
from tests.tui import screens

SIZES = ((80, 24), (60, 16), (119, 33), (200, 60), (59, 40), (7, 3))
REPORTS = {"document": run_text.document, "report": run_text.report, "json": document_json.dumps}
LINES = (
    *("info", "start-info", "start-info 0xf31e0", "modules", "memmap", "e820", "bootparams", "bootparams hdr.version"),
    *("cmdline", "cpu", "code", "code $rsp", "check", "map", "stages", "diff", "diff entry", "next-stage", "help"),
    *("info @entry", "memmap @prepare", "e820 @bootparams", "map @e820", "cpu @entry", "check @kernel", "diff @died"),
    *("code boot_params", "start-info pvh_start_info", "code 0xffffffff81000000", "start-info $rbx"),
)
_PLACES = ("p 0", "v 0xffffffff81000000", "$rsp", "boot_params", "0xf31e0", "0xffffffffffffffff", "$rip + 1", "-1")
KEYS = (
    *(f"view {name}" for name in screens.VIEWS),
    *ACTIONS,
    *(f":{place}" for place in _PLACES),
    *("/0x", "/e", "/\x1b[31m"),
)

Look = tuple[str, list[str], tuple[int, int], bool, list[str]]
"""A report, commands, the size of the terminal, whether the machine is alive, and keys."""


def looks() -> st.SearchStrategy[Look]:
    """Return a few of the ways to look at a run: all of them would take a second."""
    return st.tuples(
        st.sampled_from(["", *REPORTS]),
        st.lists(st.sampled_from(LINES), max_size=2),
        st.sampled_from(SIZES),
        st.booleans(),
        st.lists(st.sampled_from(KEYS), max_size=3),
    )


def show(document: Document, look: Look) -> None:
    """Look at a run."""
    report, lines, size, is_live, keys = look
    if report:
        check_text(REPORTS[report](document))
    session = RecordedSession(document)
    for line in lines:
        check_text(answer(session, line))
    screen = _live(document) if is_live else recording_screen(document, "recording.json")
    screens.check(screen, size)
    for key in keys:
        screen = press(screen, key, size)
        screens.check(screen, size)


def answer(session: RecordedSession, line: str) -> str:
    """Return the output of a command, or its error, as one line."""
    try:
        return commands.run(session, line)
    except PvhdbgError as error:
        return one_line(error)


def one_line(error: PvhdbgError) -> str:
    """Return an error and its hint. Each must be one line, and there must be an error."""
    assert str(error)
    assert "\n" not in f"{error}{error.hint}"
    return f"{error} {error.hint}"


def check_text(text: str) -> None:
    assert set() == set(text) - screens.OURS


def check_again(document: Document) -> None:
    """Check that the JSON of a run decodes to the same run."""
    text = document_json.dumps(document)
    again = replay(json.loads(text))

    assert document.stops == again.stops
    assert text == document_json.dumps(again)


def press(screen: Screen, key: str, size: tuple[int, int]) -> Screen:
    """Return the screen after a key, or after `:` or `/` and a line."""
    panes = Size(size[0], size[1] - BELOW)
    if key[0] in ":/":
        kind = "goto" if key[0] == ":" else "search"
        screen = submit_entry(act(kind, screen, panes), key[1:])
    else:
        screen = act(key, screen, panes)
    selected_text(screen)
    return _with_memory(screen)


def _with_memory(screen: Screen) -> Screen:
    """Read the memory that a screen requests, as the TUI does for a recording."""
    capture, request = screen.capture, screen.memory_request
    if request is None or capture is None:
        return screen
    screen = screen._replace(memory_request=None)
    return update(screen, captured_event(capture, screen.image, request, screen.bytes))


def _live(document: Document) -> Screen:
    """Return the screen of a machine that ran through the stops of a document."""
    title = Title(document.kernel.path if document.kernel else "vmlinux", "microvm tcg 512M")
    screen = Screen(title)
    screen = update(screen, MachineStarted(title, document.kernel, (), is_own_machine=True, machine=document.machine))
    for event in _stops(document.stops):
        screen = update(screen, event)
    return screen


def _stops(stops: tuple[Capture, ...]) -> Iterator[GuestStopped]:
    marks = [StageMark(name) for name in stages.NAMES]
    for index, capture in enumerate(stops):
        is_dead = capture.stage == stages.DIED
        run = Run(state.DEAD if is_dead else state.STOPPED, capture.stage, how="died" * is_dead, rip=capture.rip)
        here = [mark._replace(status=state.HERE) if mark.name == capture.stage else mark for mark in marks]
        yield GuestStopped(run, capture, stops[: index + 1], tuple(here))
