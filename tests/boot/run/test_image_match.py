"""Compare the kernel file with the running kernel, on real machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg import commands, guest
from pvhdbg.boot.run import image_match
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.session.live import LiveSession
from pvhdbg.boot.stop import stages
from pvhdbg.errors import SymbolMissing, UserError
from pvhdbg.image.facts import read_facts
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.target.base import HIT
from pvhdbg.target.recording import Recording
from pvhdbg.views.to_json import document_json
from tests import build, rebuilt, tiny
from tests.boot.real_boot import PATIENCE, machine_at_reset, stub_at_reset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pvhdbg.live.debuggee.stub_machine import StubMachine


@pytest.fixture
def teaching() -> Iterator[StubMachine]:
    with stub_at_reset(QemuOptions(str(guest.ELF))) as (machine, _):
        yield machine


@pytest.fixture
def mismatched(teaching: StubMachine, tmp_path: Path) -> Journey:
    """A journey for a machine that runs the teaching guest, but with the file of another build of the guest."""
    facts = read_facts(str(rebuilt.teaching_guest(tmp_path / "other.elf")))
    return Journey(teaching.target, teaching.runner, facts, reading=teaching.target.physical_reads)


REAL, PROTECTED, PAGED = 0x10, 0x11, 0x80000011


@pytest.mark.parametrize(
    ("registers", "expected"),
    [
        ({"rip": 0x1000850, "cr0": PROTECTED, "cs": 8}, True),
        ({"rip": 0x1000850, "cr0": REAL, "cs": 8}, False),
        ({"rip": 0x1000850, "cs": 8}, True),
        ({"rip": 0x7C00, "cr0": PAGED, "cs": 0x10}, False),
        ({"rip": 0x7C00, "cr0": PAGED, "cs": 0x31}, False),
        ({"rip": 0x7C00, "cr0": PAGED, "cs": 0x33}, True),
        ({"rip": 0x7C00, "cr0": PROTECTED, "cs": 0x33}, False),
        ({"rip": 0x7C00, "cs": 0x33}, False),
        ({"rip": 1 << 63, "cr0": PAGED, "cs": 0x10}, True),
        ({"rip": (1 << 63) - 1, "cr0": PAGED, "cs": 0x10}, False),
        ({"rip": 1 << 63, "cr0": PROTECTED, "cs": 0x10}, False),
    ],
)
def test_a_kernel_runs_in_its_image_in_the_kernels_half_or_below_a_user_program(
    registers: dict[str, int | None], expected: bool
) -> None:
    assert expected == image_match.is_kernel_running(Recording((), registers, {}), build.linux())


def test_the_right_kernel_matches_from_the_reset_vector_on(teaching: StubMachine) -> None:
    image = read_facts(str(guest.ELF))

    assert image_match.is_loaded(teaching.target, image)


def test_before_the_entry_a_kernel_that_is_not_loaded_yet_is_not_a_mismatch(mismatched: Journey) -> None:
    capture = mismatched.capture_now()

    assert (stages.RESET, None) == (capture.stage, mismatched.kernel_mismatch)
    assert mismatched.image is not None
    assert image_match.is_loaded(mismatched.target, mismatched.image) is None
    assert "entry" == mismatched.stages_ahead()[0].name


def test_another_kernel_at_the_entry_is_rejected_and_nothing_is_decoded(mismatched: Journey, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"not {tmp_path}/other.elf: the bytes at 0x[0-9a-f]+ are not its build-id"):
        list(mismatched.go("prepare", PATIENCE))

    assert (None, None, []) == (mismatched.image, mismatched.entry, mismatched.history)
    assert [image_match.ANOTHER_KERNEL] * 5 == [mismatched.why_lacking(stage) for stage in stages.STAGES]
    with pytest.raises(SymbolMissing, match="another kernel is in memory"):
        mismatched.target.symbol("xen_prepare_pvh")


def test_every_command_reports_another_running_kernel(mismatched: Journey, teaching: StubMachine) -> None:
    assert HIT == teaching.runner.run_to([teaching.target.symbol("start_kernel")], PATIENCE).kind
    live = LiveSession(mismatched)
    document = document_json.stop(live.current())

    assert f"the kernel in memory is not {path_in_mismatch(mismatched)}" in document["missing"]["kernel"]
    assert [None, None] == [document["kernel_boot_params"], document["e820_table"]]
    assert "the kernel in memory is not" in commands.run(live, "info")
    assert 5 == commands.run(live, "stages").count(image_match.ANOTHER_KERNEL)
    for line in ("next-stage", "run-to e820"):
        with pytest.raises(UserError, match="the kernel in memory is not"):
            commands.run(live, line)
    assert document_json.to_dict(live.document())["kernel"] is None


def path_in_mismatch(journey: Journey) -> str:
    assert journey.kernel_mismatch is not None
    return journey.kernel_mismatch.split(" is not ", 1)[1].partition(":")[0]


def test_a_mismatch_is_reported_once(mismatched: Journey, teaching: StubMachine) -> None:
    teaching.runner.run_to([teaching.target.symbol("start_kernel")], PATIENCE)
    mismatched.capture_now()
    mismatched.capture_now()

    assert 1 == len(mismatched.take_news())
    assert [] == mismatched.take_news()


def test_with_a_given_entry_another_kernel_can_be_captured_there(mismatched: Journey, teaching: StubMachine) -> None:
    with pytest.raises(UserError):
        list(mismatched.go("entry", PATIENCE))
    mismatched.entry = teaching.target.register("rip")
    capture = mismatched.capture_now()

    assert "entry" == capture.stage
    assert capture.start_info is not None


def test_a_kernel_without_a_build_id_is_compared_by_its_code(teaching: StubMachine, tmp_path: Path) -> None:
    path = tmp_path / "tiny.elf"
    path.write_bytes(tiny.waiting())
    journey = Journey(teaching.target, teaching.runner, read_facts(str(path)), reading=teaching.target.physical_reads)
    teaching.runner.run_to([teaching.target.symbol("start_kernel")], PATIENCE)
    journey.capture_now()

    assert journey.kernel_mismatch is not None
    assert journey.kernel_mismatch.endswith("are not its code at the entry")


def test_a_guest_that_overwrote_its_entry_code_is_not_a_mismatch(tmp_path: Path) -> None:
    path = tmp_path / "waiting.elf"
    path.write_bytes(tiny.waiting())
    with machine_at_reset(QemuOptions(str(path))) as (machine, journey):
        assert [HIT] == [halt.kind for halt in journey.go("entry", PATIENCE)]
        late = Journey(machine.target, machine.runner, read_facts(str(path)), reading=machine.target.physical_reads)
        machine.gdb.ask("-exec-step-instruction")
        machine.gdb.wait_stop(PATIENCE)
        machine.target.write_phys(late.entry or 0, bytes(4))
        late.capture_now()

        assert late.kernel_mismatch is None
