"""The way through the stages, on a real machine with the teaching guest."""

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
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.target.base import HIT, TIMEOUT
from pvhdbg.views.report import run_text
from pvhdbg.views.to_json import document_json as to_json
from tests import bios_e820, tiny
from tests.boot.real_boot import PATIENCE, machine_at_reset
from tests.image.builder import ENTRY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.debuggee.own_machine import OwnMachine

Boot = tuple["OwnMachine", Journey]


def written(path: Path, content: bytes) -> QemuOptions:
    path.write_bytes(content)
    return QemuOptions(str(path), binary="qemu-system-i386" if content[4] == 1 else "qemu-system-x86_64")


@pytest.fixture
def boot() -> Iterator[Boot]:
    with machine_at_reset(QemuOptions(str(guest.ELF))) as found:
        yield found


def go(journey: Journey, last: str, timeout: float = PATIENCE) -> list[str]:
    """Go, and how each halt on the way came about."""
    return [each.kind for each in journey.go(last, timeout)]


def names(journey: Journey) -> list[str]:
    return [each.stage for each in journey.history]


def image_of(journey: Journey) -> ImageFacts:
    assert journey.image is not None
    return journey.image


def standing_at(machine: OwnMachine, journey: Journey) -> str | None:
    stage = journey.stage_at(machine.target.register("rip"))
    return stage.name if stage else None


def test_the_way_leads_through_every_stage_in_order(boot: Boot) -> None:
    _, journey = boot

    assert [HIT] * 5 == go(journey, "e820")
    assert [*stages.NAMES] == names(journey)
    assert "e820" == journey.reached
    assert [] == journey.ahead()


def test_the_way_can_be_gone_in_parts(boot: Boot) -> None:
    _, journey = boot

    assert [HIT] == go(journey, "entry")
    assert ["prepare", "bootparams", "kernel", "e820"] == [each.name for each in journey.ahead()]
    assert [HIT] * 2 == go(journey, "bootparams")
    assert [] == go(journey, "prepare")
    assert [] == go(journey, "bootparams")
    assert [HIT] * 2 == go(journey, "e820")
    assert [] == go(journey, "e820")
    assert [*stages.NAMES] == names(journey)


def test_a_stage_is_known_by_where_the_machine_stands(boot: Boot) -> None:
    machine, journey = boot
    found = [standing_at(machine, journey)]
    for name in stages.NAMES:
        go(journey, name)
        found.append(standing_at(machine, journey))

    assert [None, *stages.NAMES] == found


def test_a_return_is_known_only_after_its_call_was_seen(boot: Boot) -> None:
    _, journey = boot
    go(journey, "entry")
    elsewhere = journey.stage_at(image_of(journey).segments[0].vaddr + 1)
    go(journey, "bootparams")
    back = journey.history[-1].rip

    assert elsewhere is None
    assert back is not None
    assert "bootparams" == getattr(journey.stage_at(back), "name", None)
    assert Journey(journey.target, journey._runner, journey.image).stage_at(back) is None


def test_who_came_to_the_function_by_hand_can_still_go_to_its_return(boot: Boot) -> None:
    machine, journey = boot
    aliases = image_of(journey).aliases(machine.target.symbol("xen_prepare_pvh"))

    assert HIT == machine.runner.run_to(aliases, PATIENCE).kind
    assert "prepare" == journey.capture_now().stage
    assert [HIT] == go(journey, "bootparams")
    assert ["prepare", "bootparams"] == names(journey)


def test_who_came_to_the_return_by_hand_too_is_there(boot: Boot) -> None:
    machine, journey = boot
    go(journey, "prepare")
    back = int.from_bytes(machine.target.read_phys(machine.target.register("rsp"), 8), "little")

    assert HIT == machine.runner.run_to([back], PATIENCE).kind
    assert "bootparams" == journey.capture_now().stage
    assert ["entry", "prepare", "bootparams"] == names(journey)


def test_who_went_past_the_call_by_hand_gets_the_later_stages(boot: Boot) -> None:
    machine, journey = boot

    assert HIT == machine.runner.run_to([machine.target.symbol("start_kernel")], PATIENCE).kind
    assert "kernel" == journey.capture_now().stage
    assert [HIT] == go(journey, "e820")


def test_start_info_of_the_entry_is_still_read_at_later_stages(boot: Boot) -> None:
    _, journey = boot
    go(journey, "bootparams")
    first, *later = [each.start_info for each in journey.history]

    assert first is not None
    assert [first.at] * 2 == [each.at for each in later if each]


def test_a_second_look_takes_the_first_ones_place(boot: Boot) -> None:
    machine, journey = boot
    go(journey, "entry")
    machine.target.write_phys(machine.target.register("rbx"), bytes(4))
    journey.capture_at("entry")

    assert ["entry"] == names(journey)
    assert [0] == [each.start_info.magic for each in journey.history if each.start_info]


def test_between_stages_a_glance_changes_no_history(boot: Boot) -> None:
    machine, journey = boot
    before = journey.capture_now()
    go(journey, "prepare")
    machine.gdb.ask("-exec-step-instruction")
    machine.gdb.wait_stop(PATIENCE)
    between = journey.capture_now()

    assert (stages.RESET, "prepare") == (before.stage, between.stage)
    assert between.boot_params is not None
    assert ["entry", "prepare"] == names(journey)


def test_a_stage_that_did_not_come_in_time_can_still_come(tmp_path: Path) -> None:
    with machine_at_reset(written(tmp_path / "waiting.elf", tiny.waiting())) as (machine, journey):
        assert [HIT, TIMEOUT] == go(journey, "bootparams", 0.5)
        assert machine.target.register("rip") in tiny.WAITING
        assert ["entry"] == names(journey)
        machine.target.write_phys(tiny.FLAG, b"\1")

        assert [HIT] * 2 == go(journey, "bootparams")
        assert ["entry", "prepare", "bootparams"] == names(journey)


def test_what_a_guest_lacks_is_said_and_left_out(boot: Boot) -> None:
    machine, journey = boot
    blind = Journey(machine.target, machine.runner, None)
    machine.target.symbols = None
    mute = Journey(machine.target, machine.runner, journey.image)

    assert ["entry"] == [each.name for each in mute.ahead()]
    assert [None, *["no symbol xen_prepare_pvh"] * 2] == [mute.lacking(each) for each in stages.STAGES[:3]]
    assert "the entry address is not known" == blind.lacking(stages.STAGES[0])
    assert [] == blind.ahead()
    assert [] == go(blind, "e820")
    assert [HIT] == go(mute, "e820")


def test_the_teaching_guests_table_is_the_map_that_it_prints(boot: Boot) -> None:
    machine, journey = boot
    go(journey, "e820")
    table = journey.history[-1].e820_table

    assert machine.qemu is not None
    assert table is not None
    assert len(table.entries) >= 4
    assert bios_e820.ranges(machine.qemu.serial.text()) == [(each.addr, each.size, each.type) for each in table.entries]


def test_a_boot_that_was_saved_is_shown_as_it_was(boot: Boot) -> None:
    _, journey = boot
    outcome = run_to_stage(journey, "e820", PATIENCE, lambda _: None)
    document = Document(journey.image, MachineFacts(), tuple(journey.history), outcome)

    assert run_text.document(document) == run_text.document(replay(json.loads(to_json.dumps(document))))


@pytest.mark.parametrize("bits", [32, 64])
def test_functions_run_at_physical_addresses_too_and_return_by_a_word_of_their_class(bits: int, tmp_path: Path) -> None:
    with machine_at_reset(written(tmp_path / "returning.elf", tiny.returning(bits))) as (_, journey):
        assert [HIT] * 3 == go(journey, "bootparams")
        assert [ENTRY, tiny.PREPARE, tiny.RETURNS_TO] == [each.rip for each in journey.history]
