"""`pvhdbg attach` in the shell: somebody else's machine, asked without a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg import guest
from pvhdbg.boot.run import image_match
from tests import rebuilt, tiny
from tests.cli.shell import pvhdbg
from tests.in_gdb import stock

if TYPE_CHECKING:
    from pathlib import Path

REBOOTS = (*stock.TCG[:-1], "-action", "reboot=reset")


def test_a_machine_is_walked_through_and_asked(tmp_path: Path) -> None:
    with stock.qemu(tmp_path, guest.ELF) as machine:
        done = pvhdbg("attach", machine.where, guest.ELF, "-c", "run-to bootparams", "-c", "stages")

    assert (0, "") == (done.status, done.err)
    assert 3 == done.out.count("captured")


def test_the_file_of_another_build_is_the_call_s_fault_and_nothing_is_decoded_by_it(tmp_path: Path) -> None:
    other = rebuilt.teaching_guest(tmp_path / "other.elf")
    with stock.qemu(tmp_path, guest.ELF) as machine:
        ran = pvhdbg("attach", machine.where, guest.ELF, "-c", "run-to kernel")
        asked = pvhdbg("attach", machine.where, other)
        refused = pvhdbg("attach", machine.where, other, "-c", "stages", "-c", "run-to e820")

    assert (0, 2, 2) == (ran.status, asked.status, refused.status)
    assert f"the kernel in memory is not {other}" in asked.out
    assert f"pvhdbg: note: the kernel in memory is not {other}" in asked.err
    assert "boot_params at 0x" not in asked.out
    assert 5 == refused.out.count(image_match.ANOTHER_KERNEL)
    assert "pvhdbg: error: the kernel in memory is not" in refused.err


def test_a_guest_that_reboots_is_not_shown_as_its_first_boot(tmp_path: Path) -> None:
    kernel = tmp_path / "dying.elf"
    kernel.write_bytes(tiny.dying())
    with stock.qemu(tmp_path, kernel, *REBOOTS) as machine:
        done = pvhdbg("attach", machine.where, kernel, "-c", "run-to prepare", "-c", "next-stage", "-c", "stages")

    assert 1 == done.status
    assert "pvhdbg: error: the guest was reset and boots again\n" in done.err
    assert "bootparams: " not in done.out


def test_who_comes_late_is_told_what_was_passed_and_waits_for_nothing(tmp_path: Path) -> None:
    with stock.qemu(tmp_path, guest.ELF) as machine:
        pvhdbg("attach", machine.where, guest.ELF, "-c", "run-to e820")
        done = pvhdbg("attach", machine.where, guest.ELF, "-c", "stages", "-c", "run-to kernel")

    assert 2 == done.status
    assert 4 <= done.out.count("passed, not captured")
    assert "pvhdbg: error: stage kernel has been passed\n" in done.err


@pytest.mark.parametrize("option", ["--qemu", "--machine"])
def test_what_starts_a_qemu_is_not_offered(option: str) -> None:
    done = pvhdbg("attach", "/nowhere", option, "x")

    assert 2 == done.status
    assert f"unrecognized arguments: {option}" in done.err
