"""The code of the past and of recordings, which nobody disassembles any more."""

from __future__ import annotations

from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.tui.app import actions
from pvhdbg.tui.events import events
from pvhdbg.tui.events.update import show_stage, update
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Screen
from tests.tui.apps import recorded
from tests.tui.screens import at, text

HERE = Code("instructions, as gdb reads them", (CodeLine("push %rbp", 0x1000, None, current=True),))


def recording(stage: str) -> Screen:
    """A real boot, looked at there."""
    screen = recorded()
    stages = [each.stage for each in screen.history]
    return show_stage(screen._replace(view="code"), stages.index(stage))


def test_a_recording_shows_the_bytes_at_rip_and_says_why_no_more() -> None:
    shown = text(recording("prepare"))

    assert "captured at prepare, the past  captured bytes, not disassembled" in shown
    assert "the first instruction of xen_prepare_pvh" in text(recording("prepare"), (120, 40))
    assert "▸ ▶0xffffffff8305a1ff  " in shown
    assert "A recording has bytes alone" in shown


def test_the_end_of_a_recording_shows_its_bytes_too() -> None:
    screen = recorded()

    assert "captured bytes, not disassembled" in text(show_stage(screen._replace(view="code"), None))


def test_every_stage_of_every_view_that_is_wide_enough_has_the_code_of_that_stage_beside_it() -> None:
    assert "captured bytes, not disassembled: the first ins" in text(
        recording("entry")._replace(view="start_info"), (200, 60)
    )


def test_what_was_shown_at_a_stage_is_shown_of_the_past() -> None:
    screen = update(at("bootparams", "code"), events.CodeRead(Code("now"), {"prepare": HERE}))
    past = show_stage(screen, 1)

    assert "push %rbp" in text(past)
    assert "captured at prepare, the past  instructions" in text(past)
    assert "push %rbp" not in text(show_stage(past, None))


def test_a_stage_that_was_passed_by_says_how_to_stop_there() -> None:
    screen = recording("e820")._replace(run=state.Run(state.STOPPED))

    assert "After `starti`, or with a breakpoint here" in text(show_stage(screen, 0))


def test_the_bytes_of_code_are_those_that_its_virtual_address_leads_to() -> None:
    screen = actions.act("view bytes", at("prepare", "code", code=HERE), actions.Size(80, 22))

    assert state.MemoryRequest("v 0x1000", 8) == screen.memory_request


def test_what_was_not_captured_is_said() -> None:
    screen = recording("prepare")
    seen = screen.history[1]._replace(memory=())

    assert "nothing was captured at 0xffffffff8305a1ff" in text(screen._replace(history=(screen.history[0], seen)))
    gone = seen._replace(rip=None)
    assert "where the CPU stood was not captured" in text(screen._replace(history=(screen.history[0], gone)))


def test_a_fresh_machine_knows_no_code_of_another() -> None:
    screen = at("bootparams")._replace(code_by_stage={"prepare": HERE})

    assert {} == update(screen, events.MachineStarted(state.Title("", ""), None, (), True)).code_by_stage
