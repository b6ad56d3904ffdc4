"""The screen shows the first stop before gdb is there; what the user types meanwhile waits for gdb."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.tui import tmux

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.tui.tmux import Shell

SIGNALS = {signal.SIGKILL: "137", signal.SIGTERM: "143", signal.SIGHUP: "129"}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with tmux.shell(tmp_path) as started:
        yield started


class SlowGdb:
    """A gdb that starts once `go` was called."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "slow-gdb"
        self._go = folder / "gdb-may-start"
        self.path.write_text(
            '#!/bin/sh\n[ "$1" = --version ] && exec gdb --version\n'
            f"while [ ! -s {self._go} ]; do sleep 0.05; done\n. {self._go}\n"
        )
        self.path.chmod(0o755)

    def go(self, command: str = 'exec gdb "$@"') -> None:
        """Let gdb start, or run another command of the shell in its place."""
        ready = self._go.with_suffix(".new")
        ready.write_text(f"{command}\n")
        ready.rename(self._go)


@pytest.fixture
def slow(shell: Shell, tmp_path: Path) -> SlowGdb:
    """Start pvhdbg, and wait until it shows the first stop without gdb."""
    slow = SlowGdb(tmp_path)
    shell.start(f"--gdb {slow.path}")
    shell.wait("stopped at prepare")
    shell.wait("0x336ec578")
    return slow


def assert_ended(shell: Shell, status: str) -> None:
    """Check the exit status, that the terminal is the shell's again, and that nothing is left."""
    shell.wait(tmux.PROMPT)

    assert status == shell.status()
    assert "Traceback" not in shell.text
    assert [] == shell.leftovers()
    assert ("1", "0", "0") == tuple(map(shell.variable, ("cursor_flag", "alternate_on", "mouse_any_flag")))


def test_lines_and_keys_wait_for_gdb_and_run_in_order(shell: Shell, slow: SlowGdb) -> None:
    shell.type("hbreak *$rip")
    shell.type("p $_exitcode")
    shell.keys("F6")
    shell.type("p 40 + 2")
    shell.wait("4 commands queued")
    slow.go()
    text = shell.wait("= 42")

    assert text.index("Hardware assisted breakpoint 1") < text.index("$1 = void") < text.index("$2 = 42")
    shell.wait("stopped at bootparams")
    shell.keys("F8")
    shell.wait("back at stage prepare")
    shell.type("x/i $rip")
    shell.wait("xen_prepare_pvh")


def test_the_view_keys_work_while_gdb_starts(shell: Shell, slow: SlowGdb) -> None:
    shell.keys("BTab", "BTab", "3")
    shell.wait("memory map (memmap)")
    shell.wait("loading symbols")
    slow.go()
    shell.wait("\n(gdb)\n")


@pytest.mark.usefixtures("slow")
def test_quitting_while_gdb_starts_leaves_nothing(shell: Shell) -> None:
    shell.keys("C-q")
    shell.until(lambda text: "Quit?" in text or text.rstrip().endswith(tmux.PROMPT))
    if "Quit?" in shell.text:
        shell.keys("y")

    assert_ended(shell, "0")


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_gdb_starts_leaves_nothing(shell: Shell, number: signal.Signals) -> None:
    os.kill(shell.pid(), number)

    assert_ended(shell, SIGNALS[number])


def test_a_gdb_that_exits_after_the_first_picture_is_an_error_on_the_normal_screen(shell: Shell, slow: SlowGdb) -> None:
    slow.go("echo no luck >&2; exit 1")
    shell.wait("pvhdbg: error: gdb exited with status 1: no luck")

    assert_ended(shell, "3")


def test_a_qemu_killed_while_gdb_starts_is_a_death_and_f4_restarts_it(shell: Shell, slow: SlowGdb) -> None:
    os.kill(shell.qemu(), signal.SIGKILL)
    slow.go()
    shell.wait("✖ died: QEMU was killed by SIGKILL")
    shell.keys("F4")
    shell.wait("stopped at prepare")
    shell.keys("F6")
    shell.wait("stopped at bootparams")


def test_a_guest_that_dies_before_its_first_stop_is_explained_and_gdb_reads_its_registers(shell: Shell) -> None:
    shell.start("--cpu qemu32")
    shell.wait("✖ died: triple fault")
    shell.type("p/x $rip")
    shell.wait("$1 = 0x")
    shell.keys("F8")
    shell.wait("stopped at entry")
