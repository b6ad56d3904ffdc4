"""The command table on a live machine: the same answers as from its recording, and the commands that run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg import commands, guest
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.session.live import LiveSession
from pvhdbg.boot.session.recorded import RecordedSession
from pvhdbg.errors import GuestError, UserError
from pvhdbg.image.facts import read_facts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pvhdbg.live.debuggee.own_machine import OwnMachine

AT_A_STAGE = [name for name, command in commands.COMMANDS.items() if "@STAGE" in command.takes]


FROM_THE_MACHINE = ("code", "dmesg")
"""The commands that read memory that a capture does not have."""


@pytest.fixture
def live(teaching: OwnMachine) -> LiveSession:
    """Return a session with the teaching guest at its reset vector."""

    def disassemble(address: int, count: int) -> Sequence[str]:
        return teaching.target.monitor(f"x/{count}i {address:#x}").splitlines()

    journey = Journey(
        teaching.target, teaching.runner, read_facts(str(guest.ELF)), reading=teaching.target.physical_reads
    )
    return LiveSession(journey, disassembler=disassemble)


def test_a_machine_gives_the_same_answers_as_its_recording(live: LiveSession) -> None:
    commands.run(live, "run-to bootparams")
    now = {name: commands.run(live, name) for name in AT_A_STAGE}

    recorded = RecordedSession(live.document())

    assert {name: now[name] for name in AT_A_STAGE if name not in FROM_THE_MACHINE} == {
        name: commands.run(recorded, name) for name in AT_A_STAGE if name not in FROM_THE_MACHINE
    }
    assert "raw bytes at physical address 0x" in commands.run(recorded, "code")
    assert "jmp" in now["code"]


def test_next_stage_runs_through_the_stages_one_by_one(live: LiveSession) -> None:
    reached = [commands.run(live, "next-stage").partition(":")[0] for _ in range(5)]

    assert ["entry", "prepare", "bootparams", "kernel", "e820"] == reached
    with pytest.raises(UserError, match="no stages left after e820"):
        commands.run(live, "next-stage")
    with pytest.raises(UserError, match="stage entry has been passed"):
        commands.run(live, "run-to entry")


def test_before_the_entry_only_the_cpu_is_shown(live: LiveSession) -> None:
    assert commands.run(live, "info").startswith("reset: ")
    assert "start_info: not valid before stage entry" == commands.run(live, "start-info")
    assert "real16" in commands.run(live, "cpu")
    assert "not reached" in commands.run(live, "stages")


def test_code_at_the_entry_is_32_bit_code(live: LiveSession) -> None:
    commands.run(live, "run-to entry")

    assert "%ebx, %esi" in commands.run(live, "code")
    assert "%ebx, %esi" in commands.run(live, "code pvh_start_xen - 0xffffffff80000000")
    assert "raw bytes at physical address 0x" in commands.run(live, "code @entry")


def test_start_info_decodes_the_kernels_copy(live: LiveSession) -> None:
    commands.run(live, "run-to prepare")

    copy = commands.run(live, "start-info pvh_start_info").splitlines()
    original = commands.run(live, "start-info").splitlines()

    assert original[1:-1] == copy[1:]


def test_a_recording_can_be_opened_while_a_machine_runs(live: LiveSession, tmp_path: Path) -> None:
    commands.run(live, "run-to prepare")
    commands.run(live, f"dump {tmp_path / 'run.json'}")
    commands.run(live, "run-to kernel")

    commands.run(live, f"open {tmp_path / 'run.json'}")

    assert commands.run(live, "info").startswith("prepare:")
    with pytest.raises(UserError, match=r"^next-stage: not available in a recording$"):
        commands.run(live, "next-stage")
    commands.run(live, "open")
    assert commands.run(live, "info").startswith("kernel:")


def test_a_death_is_reported_and_a_dead_guest_is_not_resumed(live: LiveSession) -> None:
    commands.run(live, "run-to entry")
    target = live.journey.target
    target.write_phys(target.register("rbx"), bytes(4))  # type: ignore[attr-defined]  # a live target can be written

    answer = commands.run(live, "run-to bootparams")

    assert answer.startswith("died: where the guest died\n")
    assert "died: triple fault at " in answer
    assert "wrong: must be 0x336ec578" in commands.run(live, "start-info @prepare")
    assert commands.run(live, "info").startswith("died:")
    with pytest.raises(GuestError, match="the guest is dead"):
        commands.run(live, "next-stage")
    with pytest.raises(GuestError, match="the guest is dead"):
        commands.run(live, "run-to e820")
