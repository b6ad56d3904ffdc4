"""A guest that panics or halts after F5, on a real terminal."""

from __future__ import annotations

import json
from pathlib import Path

from tests.qboot import QBOOT
from tests.tui import tmux

NO_RAM = "--set 'memory_map.entries[4].type=2'"
"""With qboot, the guest gets no RAM above 1 MiB."""
WITH_QBOOT = ("--", *QBOOT)
SIZE = (120, 40)


def test_after_a_halt_the_screen_says_so_shows_the_console_and_f8_goes_back(tmp_path: Path) -> None:
    with tmux.shell(tmp_path, SIZE) as shell:
        shell.start(NO_RAM, *WITH_QBOOT)
        shell.wait("stopped at prepare")
        for resume in ("F5", "continue"):
            shell.keys(resume) if resume == "F5" else shell.type(resume)
            shell.wait("■ halted for good")
            text = shell.wait("│ panic: the memory map has no RAM above 1 MiB")

            assert "■ halted" in text.splitlines()[1]

            shell.keys("F8")
            shell.wait("stopped at prepare")
        tmux.quit_by(shell)

        assert [] == shell.leftovers()


def test_a_panic_of_linux_is_shown_like_a_death_and_recorded_like_one_of_check(
    tmp_path: Path, vmlinux_61: Path
) -> None:
    with tmux.shell(tmp_path, SIZE) as shell:
        shell.start(NO_RAM, str(vmlinux_61), *WITH_QBOOT)
        shell.wait("stopped at prepare")
        shell.keys("F5")
        top = shell.wait("✖ panic: alloc_low_pages: can not alloc memory", 60)
        shell.wait("✖ PVH912")
        shell.type("pvh dump end.json")
        shell.until(lambda _: (tmp_path / "end.json").exists())
        shell.keys("M-9")
        shell.wait("Kernel panic - not syncing: alloc_low_pages")
        shell.keys("F8")
        shell.wait("stopped at prepare")
        tmux.quit_by(shell)
        outcome = json.loads((tmp_path / "end.json").read_text("utf-8"))["outcome"]

    assert "✖ panicked" in top.splitlines()[1]
    assert ("panicked", "alloc_low_pages: can not alloc memory") == (
        outcome["watched"]["ended"],
        outcome["watched"]["message"],
    )
    assert outcome["watched"]["symbol"].startswith("alloc_low_pages+")
