"""What a machine that others let run has passed, on real machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg import commands, guest
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.session.live import LiveSession
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import symbol_at
from pvhdbg.errors import UserError
from pvhdbg.image.load import open_kernel
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.target.base import HIT
from tests.boot.real_boot import PATIENCE, machine_at_reset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.live.debuggee.own_machine import OwnMachine

    Boot = tuple[OwnMachine, Journey]


@pytest.fixture
def boot() -> Iterator[Boot]:
    with machine_at_reset(QemuOptions(str(guest.ELF))) as found:
        yield found


def run_to(boot: Boot, symbol: str, offset: int = 0) -> Journey:
    """Let the guest run there as its user would: nobody looks."""
    machine, journey = boot
    assert HIT == machine.runner.run_to([machine.target.symbol(symbol) + offset], PATIENCE).kind
    return journey


def ahead(journey: Journey) -> list[str]:
    return [each.name for each in journey.ahead()]


@pytest.mark.parametrize(
    ("symbol", "passed"),
    [("xen_prepare_pvh", 1), ("start_kernel", 3), ("e820__memory_setup", 4), ("halt", 5)],
)
def test_who_comes_late_is_told_what_was_passed(boot: Boot, symbol: str, passed: int) -> None:
    journey = run_to(boot, symbol)
    journey.capture_now()
    here = {each.stage for each in journey.history}

    assert [each for each in stages.NAMES[:passed] if each not in here] == journey.passed
    assert list(stages.NAMES[passed + len(here) :]) == ahead(journey)


def test_inside_the_function_its_return_is_still_to_come_once_its_call_was_seen(boot: Boot) -> None:
    journey = run_to(boot, "xen_prepare_pvh")
    journey.capture_now()
    boot[0].gdb.ask("-exec-step-instruction")
    boot[0].gdb.wait_stop(PATIENCE)
    journey.capture_now()

    assert "bootparams" == ahead(journey)[0]
    assert [HIT] == [each.kind for each in journey.go("bootparams", PATIENCE)]


def test_a_return_that_was_run_past_is_not_waited_for(boot: Boot) -> None:
    machine, journey = boot
    list(journey.go("prepare", PATIENCE))
    run_to(boot, "start_kernel")
    machine.gdb.ask("-exec-step-instruction")
    machine.gdb.wait_stop(PATIENCE)
    journey.capture_now()

    assert "bootparams" in journey.passed
    assert "bootparams" not in ahead(journey)


def test_where_nothing_can_come_any_more_it_says_so_at_once(boot: Boot) -> None:
    live = LiveSession(run_to(boot, "halt"))

    with pytest.raises(UserError, match="every stage that was left has been passed"):
        commands.run(live, "next-stage")
    with pytest.raises(UserError, match="stage kernel has been passed"):
        commands.run(live, "run-to kernel")
    assert 5 == commands.run(live, "stages").count(stages.MISSED)


def test_between_stages_the_machine_is_said_to_stand_at_none(boot: Boot) -> None:
    machine, journey = boot
    live = LiveSession(journey)
    commands.run(live, "run-to prepare")
    machine.gdb.ask("-exec-step-instruction")
    machine.gdb.wait_stop(PATIENCE)

    assert commands.run(live, "info").startswith("after prepare: between stages\n")
    assert commands.run(live, "info @prepare").startswith("prepare: ")


def newcomer(machine: OwnMachine) -> Journey:
    """Somebody who has seen nothing, and knows the names of the code."""
    kernel = open_kernel(str(guest.ELF), machine.folder)
    target = machine.target
    return Journey(
        target,
        machine.runner,
        kernel.facts,
        reading=target.physical_reads,
        name_of=lambda rip: symbol_at(kernel.symbols.enclosing, kernel.facts, rip),
    )


def test_after_the_return_and_before_the_copy_the_function_tells(boot: Boot) -> None:
    machine, _ = boot
    journey = newcomer(machine)
    run_to((machine, journey), "x86_64_start_kernel")
    journey.capture_now()

    assert ["entry", "prepare", "bootparams"] == journey.passed
    assert "kernel" == ahead(journey)[0]


def test_who_comes_at_the_very_return_does_not_wait_for_it(boot: Boot) -> None:
    machine, seen = boot
    list(seen.go("bootparams", PATIENCE))
    journey = newcomer(machine)
    journey.capture_now()

    assert ["entry", "prepare", "bootparams"] == journey.passed
    assert [HIT] == [each.kind for each in journey.go("kernel", PATIENCE)]


@pytest.mark.parametrize(
    ("symbol", "there"),
    [
        ("init_pvh_bootparams", {"pvh_start_info"}),
        ("x86_64_start_kernel", {"pvh_start_info", "boot_params"}),
        ("halt", {"kernel_boot_params"}),
    ],
)
def test_who_comes_late_sees_what_is_filled_in_and_no_more(boot: Boot, symbol: str, there: set[str]) -> None:
    machine, _ = boot
    journey = newcomer(machine)
    run_to((machine, journey), symbol)
    machine.gdb.ask("-exec-step-instruction")
    machine.gdb.wait_stop(PATIENCE)
    seen = journey.capture_now()
    structures = ("start_info", "pvh_start_info", "boot_params", "kernel_boot_params")

    assert there == {name for name in structures if getattr(seen, name) is not None}
    assert (seen.cmdline is not None) == ("pvh_start_info" in there)


def test_a_stage_that_went_by_before_the_death_was_passed(boot: Boot) -> None:
    machine, _ = boot
    journey = newcomer(machine)
    list(journey.go("entry", PATIENCE))
    run_to((machine, journey), "init_pvh_bootparams")
    machine.gdb.ask("-exec-step-instruction")
    machine.gdb.wait_stop(PATIENCE)
    journey.capture_at(stages.DIED)

    assert "prepare" in journey.passed
