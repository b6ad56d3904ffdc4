"""Back to the last store to a field, with real machines: the writers are those that the private boot of `who` sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvhdbg import commands
from pvhdbg.boot.who.answer import Writer
from pvhdbg.errors import UserError
from pvhdbg.live.back.going_back import RewindableDebuggee
from pvhdbg.live.observe.who_run import ask
from tests.live.back.conftest import Start, state_of

AT_THE_FIRST_STORE = (
    r"^can't go back: the instruction just before here stored to .*, and no earlier one did since the first snapshot, "
    r"at stage prepare$"
)


def writers_of(debuggee: RewindableDebuggee, path: str) -> tuple[Writer, ...]:
    return ask(debuggee, path).answers[0].writers


def is_behind(debuggee: RewindableDebuggee, writer: Writer) -> bool:
    """Return whether the machine has just executed the writer, with all its repetitions."""
    assert writer.code is not None
    rip = debuggee.position().halt.rip or 0
    listing = [int(line.split(":")[0], 16) for line in debuggee.session.disassemble(writer.code.rip, 2)]
    return rip in listing and rip != writer.code.rip


@pytest.mark.parametrize("machine", ["microvm", "q35"])
def test_each_store_to_a_field_is_reached_from_the_last_to_the_first(
    at_prepare: Start, vmlinux_61: Path, machine: str
) -> None:
    debuggee = at_prepare(vmlinux_61, machine=machine)
    debuggee.next_stage()
    for path in ("boot_params.hdr.cmd_line_ptr", "boot_params.e820_entries"):
        expected = writers_of(debuggee, path)
        assert len(expected) > 1

        for writer in expected:
            position = debuggee.back(path)

            assert f"back at the last store to {path}, just after the instruction" == position.remark
            assert is_behind(debuggee, writer)
            assert writer.data == debuggee.machine.target.read_phys(writer.paddr, writer.size)
        with pytest.raises(UserError, match=AT_THE_FIRST_STORE) as error:
            debuggee.back(path)
        assert f"see `who {path}`; for earlier stores, type `back entry`, press F6, and try again" == error.value.hint
        assert "bootparams" == debuggee.next_stage().stage


def test_after_a_store_of_single_bytes_the_whole_field_is_there(at_prepare: Start) -> None:
    debuggee = at_prepare()
    debuggee.next_stage()
    debuggee.next_stage()
    there = debuggee.session.current().kernel_boot_params

    here = debuggee.back("kernel_boot_params.hdr.cmd_line_ptr").capture

    assert here.rip is not None
    assert debuggee.session.disassemble(here.rip - 2, 1)[0].endswith("rep movsb (%rsi), (%rdi)")
    assert 0 == here.registers["rcx"]
    assert there is not None
    assert here.kernel_boot_params is not None
    assert there.hdr.cmd_line_ptr == here.kernel_boot_params.hdr.cmd_line_ptr


def test_a_store_before_the_first_snapshot_is_reached_by_a_restart(at_prepare: Start, vmlinux_61: Path) -> None:
    debuggee = at_prepare(vmlinux_61, changes=("start_info.flags=2",))
    at_prepare_before = state_of(debuggee)
    debuggee.next_stage()
    (writer,) = writers_of(debuggee, "pvh_start_info.flags")

    debuggee.back("pvh_start_info.flags")

    assert is_behind(debuggee, writer)
    assert (2).to_bytes(4, "little") == debuggee.machine.target.read_phys(writer.paddr, writer.size)
    assert ["entry"] == [capture.stage for capture in debuggee.session.history]
    assert ["prepare", "bootparams"] == list(debuggee.session.undone)
    debuggee.next_stage()
    assert at_prepare_before == state_of(debuggee)


def test_after_the_store_the_machine_continues_to_the_same_stages(at_prepare: Start) -> None:
    debuggee = at_prepare()
    stages = {}
    for name in ("bootparams", "kernel", "e820"):
        debuggee.next_stage()
        stages[name] = state_of(debuggee)

    commands.run(debuggee.session, "back boot_params.hdr.cmd_line_ptr")

    assert ["entry", "prepare"] == [capture.stage for capture in debuggee.session.history]
    assert ["bootparams", "kernel", "e820"] == list(debuggee.session.undone)
    for name, state in stages.items():
        assert name == debuggee.next_stage().stage
        assert state == state_of(debuggee)


def test_stages_that_were_passed_before_the_store_stay_captured(at_prepare: Start, vmlinux_61: Path) -> None:
    debuggee = at_prepare(vmlinux_61)
    debuggee.to_stage("kernel")
    paddr = debuggee.journey.addresses().symbol("boot_params") + 0x228
    at_kernel = state_of(debuggee)

    position = debuggee.back(f"{paddr:#x},4")

    assert position.stage is None
    assert ["entry", "prepare", "bootparams"] == [capture.stage for capture in debuggee.session.history]
    assert "kernel" == debuggee.next_stage().stage
    assert at_kernel == state_of(debuggee)


def test_the_last_store_before_a_death_is_reached_alive(at_prepare: Start) -> None:
    debuggee = at_prepare(changes=("start_info.magic=0",))
    stack = (debuggee.session.current().registers["rsp"] or 0) - 8
    death = debuggee.resume("continue")

    position = debuggee.back(f"{stack:#x},8")

    assert "elsewhere" == position.halt.kind
    assert death.halt == debuggee.resume("continue").halt


def test_bytes_that_no_instruction_stored_to_and_words_that_name_nothing_are_refused(at_prepare: Start) -> None:
    debuggee = at_prepare()
    with pytest.raises(UserError, match=r"^nowhere: no such stage or field$"):  # there is no earlier snapshot, either
        debuggee.back("nowhere")
    debuggee.next_stage()
    before = state_of(debuggee)

    for text, message in (
        ("start_info.version", "can't go back: no instruction stored to start_info.version since the first snapshot"),
        ("boot_params.nothing", "boot_params.nothing: no such stage or field"),
        ("kernel_boot_params.e820_entries", "kernel_boot_params.e820_entries: kernel_boot_params was not captured up"),
        ("0x1000,0", 'invalid LENGTH "0"'),
        ("0x1000,x", 'invalid LENGTH "x"'),
    ):
        with pytest.raises(UserError, match=f"^{message}"):
            debuggee.back(text)
        assert before == state_of(debuggee)


def test_from_a_halt_for_good_the_last_store_and_the_last_hit_of_a_breakpoint_are_reached(at_prepare: Start) -> None:
    debuggee = at_prepare()
    debuggee.to_stage("kernel")
    debuggee.keep_snapshot()
    setup = debuggee.machine.target.symbol("e820__memory_setup")
    debuggee.console(f"hbreak *{setup:#x}", lambda: None)
    at_hit = debuggee.resume("continue").capture
    debuggee.resume("continue")
    assert debuggee.session.ended is not None

    position = debuggee.continue_back()

    assert ("back at the last hit", at_hit.registers) == (position.remark, position.capture.registers)
    debuggee.resume("continue")
    path = "kernel_boot_params.hdr.cmd_line_ptr"
    assert f"back at the last store to {path}, just after the instruction" == debuggee.back(path).remark
