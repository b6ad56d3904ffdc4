"""The code of past stages and of recordings: as it was read then, or disassembled from the recorded bytes."""

from __future__ import annotations

from pvhdbg.boot.stop.capture import CodeRow
from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.tui.app import actions
from pvhdbg.tui.draw.layout import Size
from pvhdbg.tui.events import events
from pvhdbg.tui.events.update import show_stage, update
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Run, Screen
from tests.tui.apps import recorded
from tests.tui.screens import at, text

EXPECTED = ("a.c:1", "nop", "b.c:7", "cld\\x1b[2J")
HERE = Code("instructions, as gdb reads them", (CodeLine("push %rbp", 0x1000, None, current=True),))


def recording(stage: str) -> Screen:
    """Return the screen of a recorded boot at a stage."""
    screen = recorded()
    stages = [capture.stage for capture in screen.history]
    return show_stage(screen._replace(view="code"), stages.index(stage))


def test_an_old_recording_shows_the_instructions_in_the_memory_around_rip() -> None:
    """The call of __fentry__ and what follows it are what gdb prints for this kernel."""
    shown = text(recording("prepare"), (120, 40))

    assert "past: captured at prepare  64-bit instructions, as recorded" in shown
    assert "▸ ▶0xffffffff8305a1ff  callq  0xffffffff8106b730" in shown
    assert "   0xffffffff8305a204  pushq  %r14" in shown


def test_instructions_before_rip_are_shown_if_it_is_certain_where_they_begin() -> None:
    shown = text(recording("bootparams"), (120, 40))

    assert "   0x10008c9  callq  *%rax" in shown
    assert "▸ ▶0x10008cb  movq   $0x310d320, %rsi <pvh_bootparams>" in shown


def test_the_end_of_a_recording_shows_its_instructions_too() -> None:
    screen = recorded()

    assert "64-bit instructions, as recorded" in text(show_stage(screen._replace(view="code"), None))


def test_on_a_wide_terminal_the_code_beside_a_view_is_from_the_same_stage() -> None:
    assert "32-bit instructions, as recorded" in text(recording("entry")._replace(view="start_info"), (200, 60))


def with_code(*rows: CodeRow) -> Screen:
    """Return the screen of a recording whose stop prepare has these rows."""
    screen = recording("prepare")
    entry, prepare, *later = screen.history
    return screen._replace(history=(entry, prepare._replace(code=rows), *later))


def test_recorded_instructions_are_shown_with_their_source_lines() -> None:
    rip = 0xFFFFFFFF8305A1FF
    shown = text(with_code(CodeRow(rip - 1, b"\x90", "nop", "a.c:1"), CodeRow(rip, b"\xfc", "cld\x1b[2J", "b.c:7")))

    assert "instructions, as recorded" in shown
    assert ["nop", "a.c:1", "cld\\x1b[2J", "b.c:7"] == [word for word in shown.split() if word in EXPECTED]


def test_recorded_bytes_are_used_before_the_captured_memory() -> None:
    rip = 0xFFFFFFFF8305A1FF

    assert "▶0xffffffff8305a1ff  cld" in text(with_code(CodeRow(rip - 1, b"\x90"), CodeRow(rip, b"\xfc" * 8)))
    assert "▶0xffffffff8305a1ff  callq" in text(with_code(CodeRow(0x1000, b"\x90" * 8)))


def test_a_past_stage_shows_the_code_that_was_read_there() -> None:
    screen = update(at("bootparams", "code"), events.CodeRead(Code("now"), {"prepare": HERE}))
    past = show_stage(screen, 1)

    assert "push %rbp" in text(past)
    assert "past: captured at prepare  instructions" in text(past)
    assert "push %rbp" not in text(show_stage(past, None))


def test_a_stage_at_which_the_machine_did_not_stop_shows_its_recorded_code() -> None:
    screen = recording("e820")._replace(run=state.Run(state.STOPPED))

    assert "▶0x1000850  cld" in text(show_stage(screen, 0), (120, 40))


def test_the_bytes_of_code_are_read_at_its_virtual_address() -> None:
    screen = actions.act("view bytes", at("prepare", "code", code=HERE), Size(80, 22))

    assert state.MemoryRequest("v 0x1000", 8) == screen.memory_request


def test_code_that_was_not_captured_is_reported() -> None:
    screen = recording("prepare")
    capture = screen.history[1]._replace(memory=(), code=None)

    assert "no code captured at 0xffffffff8305a1ff" in text(screen._replace(history=(screen.history[0], capture)))
    gone = capture._replace(rip=None)
    assert "RIP was not captured" in text(screen._replace(history=(screen.history[0], gone)))


def test_a_restart_forgets_the_code_of_the_previous_machine() -> None:
    screen = at("bootparams")._replace(code_by_stage={"prepare": HERE})

    assert {} == update(screen, events.MachineStarted(state.Title("", ""), None, (), True)).code_by_stage


PREPARE = 0xFFFFFFFF8305A1FF
AT_ENTRY = Code(
    "head.S:74, with its 32-bit instructions",
    (
        CodeLine("pvh_start_xen:", None, 73, current=True, path="head.S"),
        CodeLine("cld", 0x1000850, None, current=True, raw=b"\xfc", source="head.S:74"),
        CodeLine("call", None, 80, path="head.S"),
        CodeLine("call *%rax", PREPARE, None, raw=b"\xff\xd0", source="head.S:80"),
    ),
)


def arrived(before: Screen, mode: str | None = None) -> Code:
    """Return the code that is shown when the guest has arrived at prepare, before its code is read."""
    now = at("prepare").now
    assert before.now is not None
    assert now is not None
    shown = before._replace(now=before.now._replace(cpu_mode=mode or now.cpu_mode))
    run = Run(state.STOPPED, "prepare", rip=now.rip)
    return update(shown, events.GuestStopped(run, now, (*before.history, now), before.stages, None, 0)).code


def test_until_code_is_read_rip_is_not_shown_at_the_place_of_the_stop_before() -> None:
    inside = arrived(at("entry", "code", code=AT_ENTRY))

    assert "head.S:80, with its 32-bit instructions" == inside.title
    assert ["call", "call *%rax"] == [line.text for line in inside.lines if line.current]
    assert Code() == arrived(at("entry", "code", code=HERE))
    assert Code() == arrived(at("entry", "code", code=AT_ENTRY), "protected32")


def test_until_code_is_read_what_was_read_at_this_stage_before_is_shown() -> None:
    known = Code("read before", (CodeLine("nop", PREPARE, None, current=True),))
    other = Code("another", (CodeLine("nop", 0x1000, None, current=True),))

    assert known == arrived(at("entry", "code", code=HERE, code_by_stage={"prepare": known}))
    assert Code() == arrived(at("entry", "code", code=HERE, code_by_stage={"prepare": other}))
