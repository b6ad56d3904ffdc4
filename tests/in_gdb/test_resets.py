"""A guest that is reset, and a second boot that is not to be taken for the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import tiny
from tests.in_gdb.booted import ENTRY, WITH_REBOOT, boot, boot_tiny, stages_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_guest_that_was_started_again_is_at_its_beginning(tmp_path: Path) -> None:
    reset = ("monitor system_reset", "maint flush register-cache")
    told = boot(tmp_path, "pvh run-to kernel", *reset, "pvh run-to entry", "pvh stages", args=WITH_REBOOT)

    assert [] == told.errors
    assert (1, 4) == (told.last.count("captured"), told.last.count("not reached"))


def test_a_guest_that_dies_and_reboots_is_not_taken_for_its_first_boot(tmp_path: Path) -> None:
    lines = ("pvh run-to prepare", "pvh run-to bootparams", "pvh stages", "pvh run-to prepare", "info breakpoints")
    told = boot_tiny(tmp_path, tiny.dying(), *lines, args=WITH_REBOOT)

    assert 1 == len(told.errors)
    assert told.errors[0].startswith("the guest was reset and boots again (")
    assert 3 == told.texts[2].count("not reached")
    assert "prepare" == stages_of(told)[3]
    assert told.last.startswith("No breakpoints")


def test_a_reset_that_the_user_ran_over_is_told_at_the_next_question(tmp_path: Path) -> None:
    lines = ("pvh run-to kernel", "monitor system_reset", "maint flush register-cache", "pvh stages", "pvh stages")
    told = boot(tmp_path, *lines, args=WITH_REBOOT)

    assert told.texts[3].startswith("the guest was reset and boots again: what was captured before is forgotten\n")
    assert 5 == told.texts[3].count("not reached")
    assert "reset" not in told.last


def test_a_second_boot_is_known_by_its_paging_being_off(tmp_path: Path) -> None:
    lines = ("pvh run-to kernel", f"hbreak *{ENTRY + 8:#x}", "monitor system_reset", "continue", "pvh info")
    told = boot(tmp_path, *lines, args=WITH_REBOOT)

    assert told.last.startswith("the guest was reset and boots again")
    assert "unseen: " in told.last
