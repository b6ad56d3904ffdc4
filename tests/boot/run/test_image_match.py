"""Whether the kernel whose file was named is the one that runs, on real machines."""

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
from pvhdbg.views.to_json import document_json
from tests import rebuilt, tiny
from tests.boot.real_boot import PATIENCE, machine_at_reset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pvhdbg.live.debuggee.own_machine import OwnMachine


@pytest.fixture
def teaching() -> Iterator[OwnMachine]:
    with machine_at_reset(QemuOptions(str(guest.ELF))) as (machine, _):
        yield machine


@pytest.fixture
def other(teaching: OwnMachine, tmp_path: Path) -> Journey:
    """The teaching guest, of which somebody has the file of another build."""
    facts = read_facts(str(rebuilt.teaching_guest(tmp_path / "other.elf")))
    return Journey(teaching.target, teaching.runner, facts, reading=teaching.target.physical_reads)


def test_the_right_kernel_is_known_from_the_reset_vector_on(teaching: OwnMachine) -> None:
    image = read_facts(str(guest.ELF))

    assert image_match.is_loaded(teaching.target, image)


def test_before_the_entry_a_loader_may_still_bring_the_kernel(other: Journey) -> None:
    seen = other.capture_now()

    assert (stages.RESET, None) == (seen.stage, other.kernel_mismatch)
    assert other.image is not None
    assert image_match.is_loaded(other.target, other.image) is None
    assert "entry" == other.ahead()[0].name


def test_another_kernel_at_the_entry_is_refused_and_nothing_is_decoded(other: Journey, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"not {tmp_path}/other.elf: what lies at 0x[0-9a-f]+ is not its build-id"):
        list(other.go("prepare", PATIENCE))

    assert (None, None, []) == (other.image, other.entry, other.history)
    assert [image_match.ANOTHER_KERNEL] * 5 == [other.lacking(each) for each in stages.STAGES]
    with pytest.raises(SymbolMissing, match="another kernel is in memory"):
        other.target.symbol("xen_prepare_pvh")


def test_another_kernel_that_runs_is_told_wherever_it_is_looked_at(other: Journey, teaching: OwnMachine) -> None:
    assert HIT == teaching.runner.run_to([teaching.target.symbol("start_kernel")], PATIENCE).kind
    live = LiveSession(other)
    told = document_json.stop(live.current())

    assert f"the kernel in memory is not {read_path(other)}" in told["missing"]["kernel"]
    assert [None, None] == [told["kernel_boot_params"], told["e820_table"]]
    assert "the kernel in memory is not" in commands.run(live, "info")
    assert 5 == commands.run(live, "stages").count(image_match.ANOTHER_KERNEL)
    for line in ("next-stage", "run-to e820"):
        with pytest.raises(UserError, match="the kernel in memory is not"):
            commands.run(live, line)
    assert document_json.to_dict(live.document())["kernel"] is None


def read_path(journey: Journey) -> str:
    assert journey.kernel_mismatch is not None
    return journey.kernel_mismatch.split(" is not ", 1)[1].partition(":")[0]


def test_it_is_told_once(other: Journey, teaching: OwnMachine) -> None:
    teaching.runner.run_to([teaching.target.symbol("start_kernel")], PATIENCE)
    other.capture_now()
    other.capture_now()

    assert 1 == len(other.take_news())
    assert [] == other.take_news()


def test_whoever_tells_its_entry_can_go_there_all_the_same(other: Journey, teaching: OwnMachine) -> None:
    with pytest.raises(UserError):
        list(other.go("entry", PATIENCE))
    other.entry = teaching.target.register("rip")
    seen = other.capture_now()

    assert "entry" == seen.stage
    assert seen.start_info is not None


def test_a_kernel_without_a_build_id_is_known_by_its_code(teaching: OwnMachine, tmp_path: Path) -> None:
    path = tmp_path / "tiny.elf"
    path.write_bytes(tiny.waiting())
    journey = Journey(teaching.target, teaching.runner, read_facts(str(path)), reading=teaching.target.physical_reads)
    teaching.runner.run_to([teaching.target.symbol("start_kernel")], PATIENCE)
    journey.capture_now()

    assert journey.kernel_mismatch is not None
    assert journey.kernel_mismatch.endswith("is not its code at the entry")


def test_a_guest_that_overwrote_its_own_entry_is_no_other_kernel(tmp_path: Path) -> None:
    path = tmp_path / "waiting.elf"
    path.write_bytes(tiny.waiting())
    with machine_at_reset(QemuOptions(str(path))) as (machine, journey):
        assert [HIT] == [each.kind for each in journey.go("entry", PATIENCE)]
        late = Journey(machine.target, machine.runner, read_facts(str(path)), reading=machine.target.physical_reads)
        machine.gdb.ask("-exec-step-instruction")
        machine.gdb.wait_stop(PATIENCE)
        machine.target.write_phys(late.entry or 0, bytes(4))
        late.capture_now()

        assert late.kernel_mismatch is None
