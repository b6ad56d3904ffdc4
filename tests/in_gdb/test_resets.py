"""A guest that is reset: pvhdbg does not mistake its second boot for the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import tiny
from tests.in_gdb.booted import ENTRY, WITH_REBOOT, boot, boot_tiny, stages_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_guest_that_was_reset_has_reached_no_stage(tmp_path: Path) -> None:
    reset = ("monitor system_reset", "maint flush register-cache")
    output = boot(tmp_path, "pvh run-to kernel", *reset, "pvh run-to entry", "pvh stages", args=WITH_REBOOT)

    assert [] == output.errors
    assert (1, 4) == (output.last.count("captured"), output.last.count("not reached"))


def test_a_guest_that_dies_and_reboots_starts_a_new_history(tmp_path: Path) -> None:
    lines = ("pvh run-to prepare", "pvh run-to bootparams", "pvh stages", "pvh run-to prepare", "info breakpoints")
    output = boot_tiny(tmp_path, tiny.dying(), *lines, args=WITH_REBOOT)

    assert 1 == len(output.errors)
    assert output.errors[0].startswith("the guest was reset and boots again (")
    assert 3 == output.texts[2].count("not reached")
    assert "prepare" == stages_of(output)[3]
    assert output.last.startswith("No breakpoints")


def test_a_reset_by_the_user_is_reported_by_the_next_command(tmp_path: Path) -> None:
    lines = ("pvh run-to kernel", "monitor system_reset", "maint flush register-cache", "pvh stages", "pvh stages")
    output = boot(tmp_path, *lines, args=WITH_REBOOT)

    assert output.texts[3].startswith("the guest was reset and boots again: earlier captures are discarded\n")
    assert 5 == output.texts[3].count("not reached")
    assert "reset" not in output.last


def test_a_second_boot_is_recognized_by_paging_being_off(tmp_path: Path) -> None:
    lines = ("pvh run-to kernel", f"hbreak *{ENTRY + 8:#x}", "monitor system_reset", "continue", "pvh info")
    output = boot(tmp_path, *lines, args=WITH_REBOOT)

    assert output.last.startswith("the guest was reset and boots again")
    assert "unseen: " in output.last
