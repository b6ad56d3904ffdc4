"""Run through the stages on a real machine, with the teaching guest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pvhdbg import guest
from pvhdbg.boot.record.document import Document, MachineFacts
from pvhdbg.boot.record.replay import replay
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.run.run_to_stage import run_to_stage
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.map_entries import decode_entries
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.target.base import HIT, TIMEOUT
from pvhdbg.views.report import run_text
from pvhdbg.views.to_json import document_json as to_json
from tests import bios_e820, tiny
from tests.boot.real_boot import PATIENCE, machine_at_reset, stub_at_reset
from tests.cli import patient
from tests.image.builder import ENTRY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.debuggee.own_machine import OwnMachine

Boot = tuple["OwnMachine", Journey]


def write_kernel(path: Path, content: bytes) -> QemuOptions:
    """Write a kernel file, and return the options that boot it."""
    path.write_bytes(content)
    return QemuOptions(str(path), binary="qemu-system-i386" if content[4] == 1 else "qemu-system-x86_64")


@pytest.fixture
def boot() -> Iterator[Boot]:
    with machine_at_reset(QemuOptions(str(guest.ELF))) as machine_and_journey:
        yield machine_and_journey


def go(journey: Journey, last: str, timeout: float = PATIENCE) -> list[str]:
    """Go to a stage; return the kinds of the halts."""
    return [halt.kind for halt in journey.go(last, timeout)]


def captured(journey: Journey) -> list[str]:
    return [capture.stage for capture in journey.history]


def image_of(journey: Journey) -> ImageFacts:
    assert journey.image is not None
    return journey.image


def stage_of(machine: OwnMachine, journey: Journey) -> str | None:
    stage = journey.stage_at(machine.target.register("rip"))
    return stage.name if stage else None


def test_a_run_captures_every_stage_in_order(boot: Boot) -> None:
    _, journey = boot

    assert [HIT] * 5 == go(journey, "e820")
    assert [*stages.NAMES] == captured(journey)
    assert "e820" == journey.reached
    assert [] == journey.stages_ahead()


def test_a_run_can_be_split_into_parts(boot: Boot) -> None:
    _, journey = boot

    assert [HIT] == go(journey, "entry")
    assert ["prepare", "bootparams", "kernel", "e820"] == [stage.name for stage in journey.stages_ahead()]
    assert [HIT] * 2 == go(journey, "bootparams")
    assert [] == go(journey, "prepare")
    assert [] == go(journey, "bootparams")
    assert [HIT] * 2 == go(journey, "e820")
    assert [] == go(journey, "e820")
    assert [*stages.NAMES] == captured(journey)


def test_a_stage_is_detected_by_rip(boot: Boot) -> None:
    machine, journey = boot
    detected = [stage_of(machine, journey)]
    for name in stages.NAMES:
        go(journey, name)
        detected.append(stage_of(machine, journey))

    assert [None, *stages.NAMES] == detected


def test_a_return_is_detected_only_if_its_call_was_observed(boot: Boot) -> None:
    _, journey = boot
    go(journey, "entry")
    elsewhere = journey.stage_at(image_of(journey).segments[0].vaddr + 1)
    go(journey, "bootparams")
    return_rip = journey.history[-1].rip

    assert elsewhere is None
    assert return_rip is not None
    assert "bootparams" == getattr(journey.stage_at(return_rip), "name", None)
    assert Journey(journey.target, journey._runner, journey.image).stage_at(return_rip) is None


def test_after_a_user_runs_to_the_function_its_return_can_be_reached(boot: Boot) -> None:
    machine, journey = boot
    aliases = image_of(journey).aliases(machine.target.symbol("xen_prepare_pvh"))

    assert HIT == machine.runner.run_to(aliases, PATIENCE).kind
    assert "prepare" == journey.capture_now().stage
    assert [HIT] == go(journey, "bootparams")
    assert ["prepare", "bootparams"] == captured(journey)


def test_a_return_that_a_user_ran_to_is_detected(boot: Boot) -> None:
    machine, journey = boot
    go(journey, "prepare")
    return_vaddr = int.from_bytes(machine.target.read_phys(machine.target.register("rsp"), 8), "little")

    assert HIT == machine.runner.run_to([return_vaddr], PATIENCE).kind
    assert "bootparams" == journey.capture_now().stage
    assert ["entry", "prepare", "bootparams"] == captured(journey)


def test_after_a_user_runs_past_a_stage_later_stages_can_be_reached(boot: Boot) -> None:
    machine, journey = boot

    assert HIT == machine.runner.run_to([machine.target.symbol("start_kernel")], PATIENCE).kind
    assert "kernel" == journey.capture_now().stage
    assert [HIT] == go(journey, "e820")


def test_start_info_of_the_entry_is_still_read_at_later_stages(boot: Boot) -> None:
    _, journey = boot
    go(journey, "bootparams")
    first, *later = [capture.start_info for capture in journey.history]

    assert first is not None
    assert [first.at] * 2 == [info.at for info in later if info]


def test_a_second_capture_of_a_stage_replaces_the_first(boot: Boot) -> None:
    machine, journey = boot
    go(journey, "entry")
    machine.target.write_phys(machine.target.register("rbx"), bytes(4))
    journey.capture_at("entry")

    assert ["entry"] == captured(journey)
    assert [0] == [capture.start_info.magic for capture in journey.history if capture.start_info]


def test_a_known_capture_is_returned_only_if_what_is_decoded_has_not_changed(boot: Boot) -> None:
    machine, journey = boot
    go(journey, "entry")
    first = journey.history[-1]
    again = journey.capture_now(first)
    machine.target.write_phys(machine.target.register("rbx"), bytes(4))
    changed = journey.capture_now(first)

    assert again is first
    assert 0 == getattr(changed.start_info, "magic", None)
    assert [changed] == journey.history


def test_a_capture_between_stages_is_not_added_to_the_history(boot: Boot) -> None:
    machine, journey = boot
    before = journey.capture_now()
    go(journey, "prepare")
    machine.gdb.ask("-exec-step-instruction")
    machine.gdb.wait_stop(PATIENCE)
    between = journey.capture_now()

    assert (stages.RESET, "prepare") == (before.stage, between.stage)
    assert between.boot_params is not None
    assert ["entry", "prepare"] == captured(journey)


def test_a_stage_that_timed_out_can_still_be_reached(tmp_path: Path) -> None:
    with stub_at_reset(write_kernel(tmp_path / "waiting.elf", tiny.waiting())) as (machine, journey):
        assert [HIT] == go(journey, "entry")
        assert [TIMEOUT] == patient.in_time(
            lambda seconds: go(journey, "bootparams", seconds),
            lambda _: machine.target.register("rip") in tiny.WAITING,
        )
        assert machine.target.register("rip") in tiny.WAITING
        assert ["entry"] == captured(journey)
        machine.target.write_phys(tiny.FLAG, b"\1")

        assert [HIT] * 2 == go(journey, "bootparams")
        assert ["entry", "prepare", "bootparams"] == captured(journey)


def test_stages_that_a_guest_lacks_have_a_reason_and_are_skipped(boot: Boot) -> None:
    machine, journey = boot
    without_image = Journey(machine.target, machine.runner, None)
    machine.target.symbols = None
    without_symbols = Journey(machine.target, machine.runner, journey.image)

    assert ["entry"] == [stage.name for stage in without_symbols.stages_ahead()]
    assert [None, *["no symbol xen_prepare_pvh"] * 2] == [
        without_symbols.why_lacking(stage) for stage in stages.STAGES[:3]
    ]
    assert "the entry address is not known" == without_image.why_lacking(stages.STAGES[0])
    assert [] == without_image.stages_ahead()
    assert [] == go(without_image, "e820")
    assert [HIT] == go(without_symbols, "e820")


def test_the_teaching_guests_table_is_the_map_that_it_prints(boot: Boot) -> None:
    machine, journey = boot
    go(journey, "e820")
    table = journey.history[-1].e820_table

    assert machine.qemu is not None
    assert table is not None
    assert len(table.entries) >= 4
    assert bios_e820.ranges(machine.qemu.serial.text()) == list(decode_entries(table.entries))


def test_a_saved_boot_is_shown_like_the_live_one(boot: Boot) -> None:
    _, journey = boot
    outcome = run_to_stage(journey, "e820", PATIENCE, lambda _: None)
    document = Document(journey.image, MachineFacts(), tuple(journey.history), outcome)

    assert run_text.document(document) == run_text.document(replay(json.loads(to_json.dumps(document))))


@pytest.mark.parametrize("bits", [32, 64])
def test_stages_are_reached_at_physical_addresses_and_with_returns_of_either_elf_class(
    bits: int, tmp_path: Path
) -> None:
    with stub_at_reset(write_kernel(tmp_path / "returning.elf", tiny.returning(bits))) as (_, journey):
        assert [HIT] * 3 == go(journey, "bootparams")
        assert [ENTRY, tiny.PREPARE, tiny.RETURNS_TO] == [capture.rip for capture in journey.history]
