"""One instruction back, and back to the last hit of a breakpoint, with real machines."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.errors import GuestError, RegisterUnavailable, UserError
from pvhdbg.live.back import snapshot_debuggee
from pvhdbg.live.back.going_back import RewindableDebuggee
from pvhdbg.live.back.last_step import StepFinder
from pvhdbg.live.back.replay import Replay
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.target.base import DIED
from tests import tiny
from tests.live.back.conftest import Start, state_of
from tests.live.runs import rewindable


def steps_forward(debuggee: RewindableDebuggee, count: int, *, by_repetition: bool = False) -> list[tuple[object, ...]]:
    """Step `count` instructions as F11 does or, with `by_repetition`, as gdb's stepi does.

    Return the registers and boot data before each, and after the last.
    """
    states = [state_of(debuggee)[1:]]
    for _ in range(count):
        if by_repetition:
            debuggee.console("stepi", lambda: None)
        else:
            debuggee.resume("stepi")
        states.append(state_of(debuggee)[1:])
    return states


def steps_back(debuggee: RewindableDebuggee, count: int, *, by_repetition: bool = False) -> list[tuple[object, ...]]:
    """Step back, and return the same, in the order in which the guest ran."""
    states = [state_of(debuggee)[1:]]
    for _ in range(count):
        debuggee.step_back(by_repetition=by_repetition)
        states.append(state_of(debuggee)[1:])
    return states[::-1]


def test_steps_back_through_a_call_and_branches_are_the_steps_forward(at_prepare: Start) -> None:
    debuggee = at_prepare()
    forward = steps_forward(debuggee, 12)

    assert forward == steps_back(debuggee, 12)
    assert "prepare" == debuggee.position().stage
    assert forward == steps_forward(debuggee, 12)


def test_a_32_bit_machine_goes_back_also_from_its_death(at_prepare: Start, find_vmlinux: Callable[[str], Path]) -> None:
    debuggee = at_prepare(find_vmlinux("6.1-686"), changes=("start_info.memmap_paddr=0x18000000",))
    forward = steps_forward(debuggee, 4)
    assert forward == steps_back(debuggee, 4)
    death = debuggee.next_stage().halt

    at_the_instruction = debuggee.step_back()

    assert (DIED, death.rip) == (death.kind, at_the_instruction.capture.rip)
    assert death == debuggee.resume("stepi").halt
    assert "prepare" == debuggee.back(None).stage


def test_an_error_while_going_back_leaves_the_machine_where_it_was(
    at_prepare: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_replay: Replay, _place: Capture) -> bool:
        raise RegisterUnavailable("r8", "this machine has no such register")

    debuggee = at_prepare()
    debuggee.next_stage()
    before = state_of(debuggee)
    with monkeypatch.context() as patch:
        patch.setattr(Replay, "is_at", fail)
        with pytest.raises(RegisterUnavailable):
            debuggee.step_back()

    assert before == state_of(debuggee)
    assert "back by one instruction" == debuggee.step_back().remark


def test_a_step_from_the_end_of_one_function_into_the_next_is_found(
    at_prepare: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    debuggee = at_prepare()
    debuggee.next_stage()
    forward = steps_forward(debuggee, 2)
    assert "startup_64" == debuggee.position().symbol
    monkeypatch.setattr(StepFinder, "find_by_steps", lambda _finder: None)

    assert forward[1:] == steps_back(debuggee, 1)


def test_a_step_back_in_a_loop_leaves_no_breakpoint_there(at_prepare: Start) -> None:
    debuggee = at_prepare()
    forward = steps_forward(debuggee, 12)

    assert forward[11:] == steps_back(debuggee, 1)
    assert "bootparams" == debuggee.next_stage().stage


def test_debians_kernel_steps_back_through_a_thunk_and_a_repeated_instruction(
    at_prepare: Start, vmlinux_61: Path
) -> None:
    debuggee = at_prepare(vmlinux_61)
    forward = steps_forward(debuggee, 22)
    counters = [counter(state) for state in forward]
    repeats = next(index for index, pair in enumerate(pairwise(counters)) if pair == (3, 0))  # rep stosl

    assert forward == steps_back(debuggee, 22)
    steps_forward(debuggee, repeats)
    within = steps_forward(debuggee, 2, by_repetition=True)
    assert [3, 2, 1] == [counter(state) for state in within]
    assert forward[repeats] == steps_back(debuggee, 1)[0]
    assert within == steps_forward(debuggee, 2, by_repetition=True)
    assert within == steps_back(debuggee, 2, by_repetition=True)
    steps_forward(debuggee, 1, by_repetition=True)
    debuggee.keep_snapshot()  # it is not before the instruction
    debuggee.resume("stepi")
    assert forward[repeats : repeats + 2] == steps_back(debuggee, 1)
    debuggee.resume("stepi")
    debuggee.step_back(by_repetition=True)
    assert counter(state_of(debuggee)[1:]) in (0, 1)  # QEMU 7.2 needs one more step to leave the instruction


def counter(state: tuple[object, ...]) -> int:
    registers = state[0]
    assert isinstance(registers, dict)
    return int(registers["rcx"])


@pytest.mark.parametrize("machine", ["microvm", "q35"])
def test_a_step_back_over_a_call_is_at_the_return_in_the_function(
    at_prepare: Start, vmlinux_61: Path, machine: str
) -> None:
    debuggee = at_prepare(vmlinux_61, machine=machine)
    listing = debuggee.session.disassemble(debuggee.position().halt.rip or 0, 200)
    calls = [index for index, line in enumerate(listing) if "call " in line or "callq " in line]
    place = int(listing[calls[2] + 1].split(":")[0], 16)
    debuggee.console(f"advance *{place:#x}", lambda: None)
    after = state_of(debuggee)[1:]

    position = debuggee.step_back()

    assert position.symbol is not None
    assert not position.symbol.startswith("xen_prepare_pvh")
    debuggee.resume("stepi")
    assert (place, after) == (debuggee.position().halt.rip, state_of(debuggee)[1:])


def test_a_step_back_from_a_stage_follows_jumps_from_function_to_function(at_prepare: Start, vmlinux_61: Path) -> None:
    debuggee = at_prepare(vmlinux_61)
    before = {"bootparams": "", "kernel": "x86_64_start_reservations", "e820": ""}
    for stage, function in before.items():
        debuggee.next_stage()
        at_stage = state_of(debuggee)

        position = debuggee.step_back()

        assert (position.symbol or "").startswith(function)
        assert stage == debuggee.journey.stages_ahead()[0].name
        debuggee.resume("stepi")
        assert (stage, at_stage) == (debuggee.position().stage, state_of(debuggee))


def test_a_call_that_only_an_earlier_snapshot_sees_is_followed(at_prepare: Start, vmlinux_61: Path) -> None:
    debuggee = at_prepare(vmlinux_61)
    debuggee.load_symbols()
    debuggee.console("thbreak memcmp", lambda: None)  # called by xen_prepare_pvh, which returns to the stage bootparams
    debuggee.resume("continue")
    debuggee.keep_snapshot()
    debuggee.next_stage()
    at_stage = state_of(debuggee)

    position = debuggee.step_back()

    assert "bootparams" != position.stage
    debuggee.resume("stepi")
    assert at_stage == state_of(debuggee)


def test_a_random_walk_ends_where_a_run_forward_ends(at_prepare: Start) -> None:
    debuggee = at_prepare()
    walk, depth = random.Random(11), 0
    for _ in range(30):
        if depth and walk.random() < 0.45:
            debuggee.step_back()
            depth -= 1
        else:
            debuggee.resume("stepi")
            depth += 1
        if walk.random() < 0.3:
            debuggee.keep_snapshot()
    expected = steps_forward(at_prepare(), depth)[-1]

    assert expected == state_of(debuggee)[1:]


def test_a_stage_that_a_step_back_leaves_is_from_before(at_prepare: Start) -> None:
    debuggee = at_prepare()
    debuggee.next_stage()

    position = debuggee.step_back()

    assert (None, ["bootparams"]) == (position.stage, debuggee.session.undone)
    assert ["entry", "prepare"] == [capture.stage for capture in debuggee.session.history]
    assert "bootparams" == debuggee.next_stage().stage


@pytest.mark.parametrize("run", ["next_stage", "continue", "stepi 9"])
def test_the_first_run_takes_a_snapshot_to_go_back_to(run: str) -> None:
    with OwnMachine() as machine:
        debuggee = rewindable(machine, guest.ELF, ("start_info.magic=0",))
        if run == "next_stage":
            debuggee.next_stage()
        elif run == "continue":
            debuggee.resume(run)
        else:
            debuggee.console(run, lambda: None)

        assert "back" in debuggee.step_back().remark


@pytest.mark.parametrize("kernel", ["teaching", "6.1"])
def test_a_step_back_from_a_death_is_at_the_instruction_that_killed_the_guest(
    at_prepare: Start, kernel: str, vmlinux_61: Path
) -> None:
    path = guest.ELF if kernel == "teaching" else vmlinux_61
    debuggee = at_prepare(path, changes=("start_info.magic=0",))
    death = debuggee.resume("continue")
    dead = state_of(debuggee)

    position = debuggee.step_back()

    assert "back at the instruction that killed the guest" == position.remark
    assert ("elsewhere", death.halt.rip) == (position.halt.kind, position.halt.rip)
    assert ["entry", "prepare"] == [capture.stage for capture in debuggee.session.history]
    assert None is debuggee.session.outcome.died
    before = state_of(debuggee)[1:]
    assert death.halt == debuggee.resume("stepi").halt
    assert dead == state_of(debuggee)
    debuggee.step_back()
    debuggee.step_back()
    debuggee.resume("stepi")
    assert before == state_of(debuggee)[1:]


def test_a_step_back_from_a_halt_is_at_the_hlt(at_prepare: Start, tmp_path: Path) -> None:
    kernel = tmp_path / "halting"
    kernel.write_bytes(tiny.halting())
    debuggee = at_prepare(kernel)
    halted = debuggee.next_stage()
    position = debuggee.step_back()

    assert ("back at the hlt that halted the guest", tiny.HALTS_AT - 1) == (position.remark, position.halt.rip)
    assert tiny.HALTS_AT == halted.halt.rip
    assert debuggee.session.ended is None
    assert debuggee.resume("continue").halt.rip == halted.halt.rip


def test_a_step_back_where_interrupts_are_enabled_says_why_not(at_prepare: Start) -> None:
    debuggee = at_prepare()
    debuggee.console("set var $eflags = 0x202", lambda: None)

    with pytest.raises(UserError, match=r"interrupts are enabled, so execution is not exactly repeatable$") as refused:
        debuggee.step_back()
    assert "press F8 to go back to a stage" == refused.value.hint


def test_a_death_that_does_not_repeat_is_refused_and_the_guest_is_alive(at_prepare: Start) -> None:
    debuggee = at_prepare(changes=("start_info.magic=0",))
    steps_forward(debuggee, 3)
    debuggee.console("set var $r15 = 0x1234", lambda: None)
    debuggee.resume("continue")

    with pytest.raises(GuestError, match=r"^can't go back: pvhdbg found no instruction that leads exactly here$"):
        debuggee.step_back()
    assert "prepare" == debuggee.position().stage


def test_a_place_that_no_branch_leads_to_is_found_by_steps(at_prepare: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    debuggee = at_prepare()
    forward = steps_forward(debuggee, 5)
    monkeypatch.setattr(StepFinder, "find", lambda _: None)

    assert forward == steps_back(debuggee, 5)


def test_if_the_guest_takes_too_long_that_is_said_and_the_machine_stays(
    at_prepare: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    debuggee = at_prepare()
    steps_forward(debuggee, 3)
    before = state_of(debuggee)
    monkeypatch.setattr(snapshot_debuggee, "LONGEST_RUN", 0.0)

    with pytest.raises(GuestError, match=r"^can't go back: the guest did not come here again within 0 s$"):
        debuggee.step_back()
    assert before == state_of(debuggee)


def test_after_a_change_by_the_user_going_back_is_refused_and_the_machine_stays(at_prepare: Start) -> None:
    debuggee = at_prepare()
    steps_forward(debuggee, 3)
    debuggee.console("set var $r15 = 0x1234", lambda: None)
    before = state_of(debuggee)

    with pytest.raises(GuestError, match=r"^can't go back: pvhdbg found no instruction that leads exactly here$"):
        debuggee.step_back()
    assert before == state_of(debuggee)


def test_back_to_the_last_hit_of_a_breakpoint(at_prepare: Start) -> None:
    debuggee = at_prepare()
    steps_forward(debuggee, 9)
    tenth = debuggee.position().capture.registers["rip"]
    debuggee.back("prepare")
    debuggee.console(f"hbreak *{tenth:#x}", lambda: None)
    first = debuggee.resume("continue")
    at_hit = state_of(debuggee)
    steps_forward(debuggee, 5)
    printed: list[str] = []
    debuggee.machine.gdb.on_text = printed.append

    position = debuggee.continue_back()

    assert 1 == "".join(printed).count("Breakpoint ")
    assert ("back at the last hit", first.halt.rip, at_hit) == (position.remark, position.halt.rip, state_of(debuggee))
    printed.clear()
    assert "no hit: back at the first snapshot" == debuggee.continue_back().remark
    assert "prepare" == debuggee.position().stage
    assert "Breakpoint " not in "".join(printed)


def test_back_to_the_last_write_that_a_watchpoint_saw(at_prepare: Start, vmlinux_61: Path) -> None:
    debuggee = at_prepare(vmlinux_61)
    debuggee.load_symbols()
    debuggee.console("watch *(unsigned char *) ((char *) &pvh_bootparams + 0x210)", lambda: None)
    write = debuggee.resume("continue")
    at_write = state_of(debuggee)[1:]
    steps_forward(debuggee, 4)

    position = debuggee.continue_back()

    assert write.halt.message.startswith("watchpoint ")
    assert "*(unsigned char *) ((char *) &pvh_bootparams + 0x210)" in write.halt.message
    assert ("back at the last hit", write.halt.rip) == (position.remark, position.halt.rip)
    assert at_write == state_of(debuggee)[1:]


def test_hits_of_a_watchpoint_inside_a_repeated_instruction_are_refused_or_exact(at_prepare: Start) -> None:
    """QEMU 7.2 stops at each repetition, and gdb may miss hits. QEMU 10 stops once, behind the instruction."""
    debuggee = at_prepare()
    debuggee.load_symbols()
    debuggee.console("watch *(unsigned char *) ((char *) &boot_params + 0x210)", lambda: None)
    debuggee.resume("continue")
    at_write = state_of(debuggee)[1:]
    before = steps_forward(debuggee, 4)[-1]

    try:
        result = debuggee.continue_back().remark
    except GuestError as error:
        result = str(error)

    refusal = "can't go back: gdb can't count the hits before this moment exactly"
    assert {"back at the last hit": at_write, refusal: before}[result] == state_of(debuggee)[1:]
