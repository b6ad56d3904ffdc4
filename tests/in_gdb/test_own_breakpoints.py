"""A run stops at a breakpoint of the user at the address of a stage: in stock gdb, on the screen, and with `-c`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg import guest
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.target.base import ELSEWHERE, HIT
from tests.boot.real_boot import PATIENCE, machine_at_reset
from tests.in_gdb.booted import boot

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_stops_at_the_users_breakpoint_at_a_stage_and_names_it(tmp_path: Path) -> None:
    output = boot(tmp_path, "pvh run-to entry", "hbreak *xen_prepare_pvh", "pvh run-to e820", "pvh info", "p $pc")

    assert ["the guest stopped at stage prepare, before stage e820: breakpoint 1 (*xen_prepare_pvh)"] == output.errors
    assert output.texts[3].startswith("prepare: ")


def test_the_next_run_goes_on_from_the_users_breakpoint(tmp_path: Path) -> None:
    output = boot(tmp_path, "hbreak *xen_prepare_pvh", "pvh run-to e820", "pvh run-to e820")

    assert 1 == len(output.errors)
    assert output.last.startswith("e820: ")


def test_a_breakpoint_at_the_stage_that_was_asked_for_is_not_an_error(tmp_path: Path) -> None:
    output = boot(tmp_path, "hbreak *xen_prepare_pvh", "pvh run-to prepare")

    assert [] == output.errors
    assert "\nprepare: " in output.last


def test_a_run_over_mi_stops_at_the_users_breakpoint_at_a_stage_too() -> None:
    with machine_at_reset(QemuOptions(str(guest.ELF))) as (machine, journey):
        (*_, entry) = journey.go("entry", PATIENCE)
        at = machine.target.symbol("xen_prepare_pvh")
        machine.gdb.ask(f"-break-insert -h *{at:#x}")
        (*_, prepare) = journey.go("e820", PATIENCE)
        (*_, e820) = journey.go("e820", PATIENCE)

    assert (HIT, "") == (entry.kind, entry.message)
    assert (HIT, "breakpoint 2", "prepare") == (prepare.kind, prepare.message, journey.history[1].stage)
    assert (HIT, "", "e820") == (e820.kind, e820.message, journey.reached)


def test_a_breakpoint_at_a_function_whose_return_is_a_stage_stops_the_run() -> None:
    with machine_at_reset(QemuOptions(str(guest.ELF))) as (machine, journey):
        at = machine.target.symbol("e820__memory_setup")
        machine.gdb.ask(f"-break-insert -h *{at:#x}")
        (*_, stopped) = journey.go("e820", PATIENCE)
        (*_, e820) = journey.go("e820", PATIENCE)

    assert (ELSEWHERE, "breakpoint 1", at) == (stopped.kind, stopped.message, stopped.rip)
    assert (HIT, "e820") == (e820.kind, journey.reached)
