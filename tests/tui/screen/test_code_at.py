"""The code of past stages and of recordings, which nothing can disassemble."""

from __future__ import annotations

from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.tui.app import actions
from pvhdbg.tui.draw.layout import Size
from pvhdbg.tui.events import events
from pvhdbg.tui.events.update import show_stage, update
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Screen
from tests.tui.apps import recorded
from tests.tui.screens import at, text

HERE = Code("instructions, as gdb reads them", (CodeLine("push %rbp", 0x1000, None, current=True),))


def recording(stage: str) -> Screen:
    """Return the screen of a recorded boot at a stage."""
    screen = recorded()
    stages = [capture.stage for capture in screen.history]
    return show_stage(screen._replace(view="code"), stages.index(stage))


def test_a_recording_shows_the_bytes_at_rip_and_says_why_only_bytes() -> None:
    shown = text(recording("prepare"))

    assert "past: captured at prepare  captured bytes, not disassembled" in shown
    assert "the first instruction of xen_prepare_pvh" in text(recording("prepare"), (120, 40))
    assert "▸ ▶0xffffffff8305a1ff  " in shown
    assert "A recording has only the bytes" in shown


def test_the_end_of_a_recording_shows_its_bytes_too() -> None:
    screen = recorded()

    assert "captured bytes, not disassembled" in text(show_stage(screen._replace(view="code"), None))


def test_on_a_wide_terminal_the_code_beside_a_view_is_from_the_same_stage() -> None:
    assert "captured bytes, not disassembled: " in text(recording("entry")._replace(view="start_info"), (200, 60))


def test_a_past_stage_shows_the_code_that_was_read_there() -> None:
    screen = update(at("bootparams", "code"), events.CodeRead(Code("now"), {"prepare": HERE}))
    past = show_stage(screen, 1)

    assert "push %rbp" in text(past)
    assert "past: captured at prepare  instructions" in text(past)
    assert "push %rbp" not in text(show_stage(past, None))


def test_a_stage_without_code_says_how_to_stop_there() -> None:
    screen = recording("e820")._replace(run=state.Run(state.STOPPED))

    assert "restart with `starti` or set a breakpoint" in text(show_stage(screen, 0))


def test_the_bytes_of_code_are_read_at_its_virtual_address() -> None:
    screen = actions.act("view bytes", at("prepare", "code", code=HERE), Size(80, 22))

    assert state.MemoryRequest("v 0x1000", 8) == screen.memory_request


def test_code_that_was_not_captured_is_reported() -> None:
    screen = recording("prepare")
    capture = screen.history[1]._replace(memory=())

    assert "no code captured at 0xffffffff8305a1ff" in text(screen._replace(history=(screen.history[0], capture)))
    gone = capture._replace(rip=None)
    assert "RIP was not captured" in text(screen._replace(history=(screen.history[0], gone)))


def test_a_restart_forgets_the_code_of_the_previous_machine() -> None:
    screen = at("bootparams")._replace(code_by_stage={"prepare": HERE})

    assert {} == update(screen, events.MachineStarted(state.Title("", ""), None, (), True)).code_by_stage
