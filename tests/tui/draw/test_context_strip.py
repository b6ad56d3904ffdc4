"""The context strip: the next instruction, what it accesses, and the registers that changed."""

from __future__ import annotations

from typing import Any

import pytest

from pvhdbg.live.instructions.next_instruction import Access, NextInstruction
from pvhdbg.tui.events import events
from pvhdbg.tui.events.update import update
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Run, Screen
from tests import build
from tests.tui import screens

SIZE = (120, 40)
RIP = build.boot().stops[1].rip or 0
LGDT = NextInstruction(RIP, "lgdtl 0x1002018", (Access(0x1002018, 6, is_read=True, is_written=False, data=bytes(6)),))


def strip(screen: Screen, size: tuple[int, int] = SIZE) -> list[str]:
    return [line.rstrip() for line in screens.lines(screen, size)[2:4]]


def here(**fields: Any) -> Screen:  # noqa: ANN401
    return screens.at("prepare", next=LGDT, **fields)


def test_the_next_instruction_is_explained_with_what_it_reads() -> None:
    words = "load the register GDTR: where the table of segments is   reads 6 bytes at 0x1002018: 0x0"

    assert f" next    lgdtl 0x1002018   {words}" == strip(here())[0]


@pytest.mark.parametrize(("kind", "label"), [(state.STOPPED, "next"), (state.DEAD, "died at")])
def test_an_instruction_that_is_not_known_yet_is_named_by_its_place(kind: str, label: str) -> None:
    screen = screens.at("prepare", run=Run(kind, rip=RIP, symbol="xen_prepare_pvh"))

    assert f" {label.ljust(7)} {RIP:#x} xen_prepare_pvh" == strip(screen)[0]


PUSH = Access(0xFF8, 8, is_read=False, is_written=True, data=bytes([7] + [0] * 7))
STOS = Access(0x10, 4096, is_read=False, is_written=True, data=bytes(16))
INC = Access(0x10, 4, is_read=True, is_written=True, why="not mapped")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (NextInstruction(RIP, "jne 0x1000", jumps=True), "jump if not equal, or not zero, and here it jumps"),
        (NextInstruction(RIP, "jne 0x1000", jumps=False), "not zero, and here it does not jump"),
        (NextInstruction(RIP, "pushq %rbp", (PUSH,)), "writes 8 bytes at 0xff8 (now 0x7)"),
        (NextInstruction(RIP, "incl (%rax)", (INC,)), "changes 4 bytes at 0x10: not mapped"),
        (NextInstruction(RIP, "rep stosq", (STOS,)), f"writes 4 KiB at 0x10 (now {bytes(16).hex(' ')} …)"),
    ],
)
def test_what_an_instruction_does_here_is_said_in_words(found: NextInstruction, words: str) -> None:
    assert words in strip(here()._replace(next=found), (160, 40))[0]


def test_changed_registers_are_listed_control_bits_first_and_the_others_counted() -> None:
    changed, narrow = strip(here())[1], strip(here(), (60, 36))[1]

    assert changed.startswith(" changed cr0 +PG   cr4 +PAE   efer +LME +LMA   cr3 0x0 → ")
    assert " rip " not in changed
    assert " changed cr0 +PG   cr4 +PAE   efer +LME +LMA   and 1 more" == narrow


def test_the_last_stop_of_a_recording_is_compared_with_the_stage_before() -> None:
    assert strip(here())[1] == strip(here()._replace(before=None))[1]


def test_the_strip_is_about_the_displayed_stop_and_never_about_another_one() -> None:
    past = here()._replace(past=0, next_by_stage={})
    dead = here()._replace(run=Run(state.DEAD, how="triple-fault", rip=RIP))
    stale = here()._replace(next=LGDT._replace(rip=RIP + 1))

    assert [" next    0x1000850", " changed the first stop"] == strip(past)
    assert f" next    {RIP:#x} xen_prepare_pvh" == strip(stale)[0]
    assert strip(dead)[0].startswith(" died at lgdtl")
    assert "class:old" in screens.styles(here()._replace(run=Run(state.RUNNING)), SIZE)


@pytest.mark.parametrize(("size", "first"), [((80, 24), "┌"), ((100, 30), " next"), ((120, 36), " next")])
def test_only_a_tall_terminal_has_the_strip(size: tuple[int, int], first: str) -> None:
    assert screens.lines(here(), size)[2].startswith(first)
    assert screens.lines(here(), size)[3].startswith(" changed" if size[1] >= 36 else ("┌" if size[1] >= 30 else "│"))


def test_a_stop_without_changes_says_so() -> None:
    same = build.boot().stops[1]._replace(stage="")
    moved = same._replace(rip=RIP - 5)

    assert " changed no register except RIP since the last stop" == strip(here()._replace(before=moved))[1]
    assert " changed no register since the last stop" == strip(here()._replace(before=same))[1]


def test_the_stop_before_is_remembered_until_the_machine_starts_again() -> None:
    entry, prepare = build.boot().stops[:2]
    screen = Screen(screens.at("entry").title)
    for capture, stage in ((entry, "entry"), (prepare, "prepare")):
        stopped = events.GuestStopped(Run(state.STOPPED, stage, rip=capture.rip), capture, (entry, prepare), ())
        screen = update(update(screen, stopped), events.NextRead(LGDT, stage))

    passed = update(Screen(screen.title), events.GuestStopped(screen.run, prepare, (entry, prepare), ()))
    assert entry is passed.before
    assert (entry, LGDT, {"entry": LGDT, "prepare": LGDT}) == (screen.before, screen.next, screen.next_by_stage)
    started = update(screen, events.MachineStarted(screen.title, None, (), True, None))
    assert (None, None, {}) == (started.before, started.next, started.next_by_stage)


def test_after_going_back_registers_are_compared_with_the_stage_before_in_guest_time() -> None:
    entry, prepare, later = build.boot().stops[:3]
    screen = screens.at(later.stage)
    between = prepare._replace(stage="", rip=RIP + 1)
    to_stage = events.GuestStopped(Run(state.STOPPED, "prepare"), prepare, (entry, prepare), (), times_back=1)
    by_a_step = events.GuestStopped(Run(state.STOPPED, ""), between, (entry,), (), times_back=2)
    forward = events.GuestStopped(Run(state.STOPPED, "prepare"), prepare, (entry, prepare), (), times_back=2)

    assert strip(here())[1] == strip(at_prepare := update(screen, to_stage))[1]
    assert strip(stepped := update(at_prepare, by_a_step))[1].startswith(" changed since stage entry: cr0 +PG ")
    assert " changed no register except RIP since the last stop" == strip(update(stepped, forward))[1]
