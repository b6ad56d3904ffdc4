"""Detect the stages that a guest passed while it ran unobserved, on real machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg import commands, guest
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.session.live import LiveSession
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import symbol_at
from pvhdbg.errors import UserError
from pvhdbg.guest_profiles import unikernels
from pvhdbg.image.load import open_kernel
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.target.base import HIT
from tests.boot.real_boot import PATIENCE, machine_at_reset
from tests.guest_profiles.small import small

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pvhdbg.live.debuggee.own_machine import OwnMachine

    Boot = tuple[OwnMachine, Journey]


@pytest.fixture
def boot() -> Iterator[Boot]:
    with machine_at_reset(QemuOptions(str(guest.ELF))) as machine_and_journey:
        yield machine_and_journey


def run_to(boot: Boot, symbol: str, offset: int = 0) -> Journey:
    """Run the guest to an address without the journey, as a user can do with gdb."""
    machine, journey = boot
    assert HIT == machine.runner.run_to([machine.target.symbol(symbol) + offset], PATIENCE).kind
    return journey


def aliases(journey: Journey, symbol: str) -> tuple[int, ...]:
    """Return the addresses at which a function may run."""
    assert journey.image is not None
    return journey.image.aliases(journey.target.symbol(symbol))


def names_ahead(journey: Journey) -> list[str]:
    return [stage.name for stage in journey.stages_ahead()]


@pytest.mark.parametrize(
    ("symbol", "passed"),
    [("xen_prepare_pvh", 1), ("start_kernel", 3), ("e820__memory_setup", 4), ("halt", 5)],
)
def test_stages_that_passed_unwatched_are_detected(boot: Boot, symbol: str, passed: int) -> None:
    journey = run_to(boot, symbol)
    journey.capture_now()
    captured = {capture.stage for capture in journey.history}

    assert [name for name in stages.NAMES[:passed] if name not in captured] == journey.passed
    assert list(stages.NAMES[passed + len(captured) :]) == names_ahead(journey)


def test_inside_a_function_its_return_is_still_ahead_if_the_call_was_observed(boot: Boot) -> None:
    journey = run_to(boot, "xen_prepare_pvh")
    journey.capture_now()
    boot[0].gdb.ask("-exec-step-instruction")
    boot[0].gdb.wait_stop(PATIENCE)
    journey.capture_now()

    assert "bootparams" == names_ahead(journey)[0]
    assert [HIT] == [halt.kind for halt in journey.go("bootparams", PATIENCE)]


def test_a_return_that_the_guest_ran_past_is_not_ahead(boot: Boot) -> None:
    machine, journey = boot
    list(journey.go("prepare", PATIENCE))
    run_to(boot, "start_kernel")
    machine.gdb.ask("-exec-step-instruction")
    machine.gdb.wait_stop(PATIENCE)
    journey.capture_now()

    assert "bootparams" in journey.passed
    assert "bootparams" not in names_ahead(journey)


def test_with_no_stage_left_commands_fail_at_once(boot: Boot) -> None:
    live = LiveSession(run_to(boot, "halt"))

    with pytest.raises(UserError, match=r"^no stages left$"):
        commands.run(live, "next-stage")
    with pytest.raises(UserError, match="stage kernel has been passed"):
        commands.run(live, "run-to kernel")
    assert 5 == commands.run(live, "stages").count(stages.MISSED)


def test_between_stages_info_says_that_the_machine_is_at_no_stage(boot: Boot) -> None:
    machine, journey = boot
    live = LiveSession(journey)
    commands.run(live, "run-to prepare")
    machine.gdb.ask("-exec-step-instruction")
    machine.gdb.wait_stop(PATIENCE)

    assert commands.run(live, "info").startswith("after prepare: between stages\n")
    assert commands.run(live, "info @prepare").startswith("prepare: ")


def late_journey(machine: OwnMachine) -> Journey:
    """Return a journey that has observed no stage, but knows the kernel's symbols."""
    kernel = open_kernel(str(guest.ELF), machine.folder)
    target = machine.target
    return Journey(
        target,
        machine.runner,
        kernel.facts,
        reading=target.physical_reads,
        name_of=lambda rip: symbol_at(kernel.symbols.enclosing, kernel.facts, rip),
    )


def test_after_the_return_and_before_the_copy_the_function_name_shows_the_stage(boot: Boot) -> None:
    machine, _ = boot
    journey = late_journey(machine)
    run_to((machine, journey), "x86_64_start_kernel")
    journey.capture_now()

    assert ["entry", "prepare", "bootparams"] == journey.passed
    assert "kernel" == names_ahead(journey)[0]


def test_a_late_journey_at_the_return_counts_it_as_passed(boot: Boot) -> None:
    machine, observer = boot
    list(observer.go("bootparams", PATIENCE))
    journey = late_journey(machine)
    journey.capture_now()

    assert ["entry", "prepare", "bootparams"] == journey.passed
    assert [HIT] == [halt.kind for halt in journey.go("kernel", PATIENCE)]


@pytest.mark.parametrize(
    ("symbol", "present"),
    [
        ("init_pvh_bootparams", {"pvh_start_info"}),
        ("x86_64_start_kernel", {"pvh_start_info", "boot_params"}),
        ("halt", {"pvh_start_info", "boot_params", "kernel_boot_params"}),
    ],
)
def test_a_late_capture_has_only_the_structures_that_are_filled_in(boot: Boot, symbol: str, present: set[str]) -> None:
    machine, _ = boot
    journey = late_journey(machine)
    run_to((machine, journey), symbol)
    machine.gdb.ask("-exec-step-instruction")
    machine.gdb.wait_stop(PATIENCE)
    capture = journey.capture_now()
    structures = ("start_info", "pvh_start_info", "boot_params", "kernel_boot_params")

    assert present == {name for name in structures if getattr(capture, name) is not None}
    assert (capture.cmdline is not None) == ("pvh_start_info" in present)


def test_a_stage_that_passed_before_a_death_counts_as_passed(boot: Boot) -> None:
    machine, _ = boot
    journey = late_journey(machine)
    list(journey.go("entry", PATIENCE))
    run_to((machine, journey), "init_pvh_bootparams")
    machine.gdb.ask("-exec-step-instruction")
    machine.gdb.wait_stop(PATIENCE)
    journey.capture_at(stages.DIED)

    assert "prepare" in journey.passed


def step(boot: Boot, count: int) -> None:
    """Step the guest without the journey, as a user can do with gdb."""
    boot[0].gdb.ask(f"-exec-step-instruction {count}")
    boot[0].gdb.wait_stop(PATIENCE)


def next_after_steps(boot: Boot, start: str, count: int) -> tuple[list[str], str]:
    """Step from the entry or, with gdb, from a later function, and run to the next stage. Return the stages that were
    passed, and the one reached.
    """
    _, journey = boot
    list(journey.go("entry", PATIENCE))
    if start != "entry":
        run_to(boot, start)
    step(boot, count)
    journey.capture_now()
    ahead = names_ahead(journey)[0]

    assert [HIT] == [halt.kind for halt in journey.go(ahead, PATIENCE)]
    assert ahead == journey.reached
    return journey.passed, ahead


@pytest.mark.parametrize(
    ("start", "count", "expected"),
    [
        ("entry", 20, ([], "prepare")),
        ("entry", 50, (["prepare"], "bootparams")),
        ("entry", 55, (["prepare"], "bootparams")),
        ("entry", 60, (["prepare"], "bootparams")),
        ("entry", 80, (["prepare"], "bootparams")),
        ("entry", 200, (["prepare"], "bootparams")),
        ("start_kernel", 20, (["prepare", "bootparams", "kernel"], "e820")),
    ],
)
def test_after_steps_past_stages_the_next_one_is_still_reached(
    boot: Boot, start: str, count: int, expected: tuple[list[str], str]
) -> None:
    assert expected == next_after_steps(boot, start, count)


def test_a_stage_that_left_no_trace_is_passed_if_a_later_one_is_reached_first(tmp_path: Path) -> None:
    (tmp_path / "guest").write_bytes(small(unikernels.NANOS))
    with machine_at_reset(QemuOptions(str(tmp_path / "guest"))) as boot:
        list(boot[1].go("entry", PATIENCE))
        step(boot, 6)  # past the return from the first function
        journey = boot[1]
        journey.capture_now()

        assert ["prepare", "kernel"] == names_ahead(journey)
        assert [HIT] == [halt.kind for halt in journey.go("prepare", PATIENCE)]
        assert ("kernel", ["prepare"], []) == (journey.reached, journey.passed, names_ahead(journey))


@pytest.mark.parametrize(
    ("symbol", "passed"),
    [("xen_prepare_pvh", ["prepare"]), ("e820__memory_setup", ["prepare", "bootparams", "kernel"])],
)
def test_inside_linux_the_return_is_found_on_the_stack(symbol: str, passed: list[str], debian_vmlinux: Path) -> None:
    with machine_at_reset(QemuOptions(str(debian_vmlinux))) as boot:
        machine, journey = boot
        list(journey.go("entry", PATIENCE))
        assert HIT == machine.runner.run_to(aliases(journey, symbol), PATIENCE).kind
        step(boot, 60)
        journey.capture_now()

        assert passed == journey.passed
        assert [HIT] == [halt.kind for halt in journey.go(names_ahead(journey)[0], PATIENCE)]
        assert journey.reached == stages.NAMES[len(passed) + 1]
