"""`pvhdbg attach` without a screen."""

from __future__ import annotations

import socket
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


def test_an_attached_machine_runs_to_a_stage_and_runs_commands(tmp_path: Path) -> None:
    with stock.qemu(tmp_path, guest.ELF) as machine:
        done = pvhdbg("attach", machine.where, guest.ELF, "-c", "run-to bootparams", "-c", "stages")

    assert (0, "") == (done.status, done.err)
    assert 3 == done.out.count("captured")


def test_another_builds_kernel_file_gives_status_2_and_decodes_nothing(tmp_path: Path) -> None:
    other = rebuilt.teaching_guest(tmp_path / "other.elf")
    with stock.qemu(tmp_path, guest.ELF) as machine:
        ran = pvhdbg("attach", machine.where, guest.ELF, "-c", "run-to kernel")
        shown = pvhdbg("attach", machine.where, other)
        refused = pvhdbg("attach", machine.where, other, "-c", "stages", "-c", "run-to e820")

    assert (0, 2, 2) == (ran.status, shown.status, refused.status)
    assert f"the kernel in memory is not {other}" in shown.out
    assert f"pvhdbg: note: the kernel in memory is not {other}" in shown.err
    assert "boot_params at 0x" not in shown.out
    assert 5 == refused.out.count(image_match.ANOTHER_KERNEL)
    assert "pvhdbg: error: the kernel in memory is not" in refused.err


def test_a_reboot_is_reported_and_its_stops_are_not_mixed_with_the_first_boot(tmp_path: Path) -> None:
    kernel = tmp_path / "dying.elf"
    kernel.write_bytes(tiny.dying())
    with stock.qemu(tmp_path, kernel, *REBOOTS) as machine:
        done = pvhdbg("attach", machine.where, kernel, "-c", "run-to prepare", "-c", "next-stage", "-c", "stages")

    assert 1 == done.status
    assert "pvhdbg: error: the guest was reset and boots again\n" in done.err
    assert "bootparams: " not in done.out


def test_after_attaching_late_passed_stages_are_listed_and_refused(tmp_path: Path) -> None:
    with stock.qemu(tmp_path, guest.ELF) as machine:
        pvhdbg("attach", machine.where, guest.ELF, "-c", "run-to e820")
        done = pvhdbg("attach", machine.where, guest.ELF, "-c", "stages", "-c", "run-to kernel")

    assert 2 == done.status
    assert 4 <= done.out.count("passed, not captured")
    assert "pvhdbg: error: stage kernel has been passed without a capture\n" in done.err


@pytest.mark.parametrize("option", ["--qemu", "--machine"])
def test_options_that_start_qemu_are_not_accepted(option: str) -> None:
    done = pvhdbg("attach", "/nowhere", option, "x")

    assert 2 == done.status
    assert f"unrecognized arguments: {option}" in done.err


def test_a_socket_whose_path_gdb_mistakes_for_host_and_port_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a:b"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        done = pvhdbg("attach", path)

    assert (2, "") == (done.status, done.out)
    assert f"pvhdbg: error: {path}: gdb mistakes a path with a colon for HOST:PORT\n  hint: " in done.err
