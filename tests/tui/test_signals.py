"""No signal and no closed terminal is ever lost: pvhdbg ends, quietly, and cleans up. PVHDBG_KILLS sets the tries."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import RECORDINGS_DIR
from tests.tui import kill_at_call, tmux
from tests.tui.pty_process import ALTERNATE_SCREEN, PtyProcess, on_terminal
from tests.tui.tmux import Shell

KILLS = int(os.environ.get("PVHDBG_KILLS", "1"))
KILLER = "tests.tui.kill_at_call"
RECORDING = ("show", "--tui", str(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json"))
LATEST_CALL = 140_000
"""A recording is on the screen after about as many calls."""
STATUS = {signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 130}
CTRL_Q = b"\x11"
READS_KEYS = b"\x1b[?2004h"
"""Turns bracketed paste on: from now on prompt_toolkit reads the keys, and the terminal passes Ctrl-Q on."""

IN_BOTH = (
    "EventQueue.forward_to",
    "Tui.__init__",
    "Tui.run",
    "Application.run",
    "Application.run_async",
    "Tui._prepare",
    "Tui._update",
    "Application._redraw",
    "Tui.leave",
)
ONLY_LIVE = ("EventQueue.wait_started", "displayed", "no_echo", "freeze_heap", "Worker.close", "MachineThread.join")
AT_THE_END = ("Tui.leave", "Worker.close", "MachineThread.join")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: socket paths are limited."""
    path = Path(tempfile.mkdtemp(prefix="tty-"))
    (path / "run").mkdir()
    yield path / "run"
    shutil.rmtree(path)


def assert_ended(process: PtyProcess, *statuses: int) -> None:
    """Check that pvhdbg ends with one of these statuses, without a word, and leaves nothing."""
    assert process.status() in statuses
    assert "" == process.stderr.replace(kill_at_call.SENT, "")
    assert [] == process.leftovers()


def shows_screen(process: PtyProcess) -> bool:
    return process.until(lambda: ALTERNATE_SCREEN in process.output)


@pytest.mark.parametrize(
    ("words", "call"), [*((RECORDING, call) for call in IN_BOTH[::2]), *(((), call) for call in (*IN_BOTH, *ONLY_LIVE))]
)
def test_a_signal_at_any_step_of_the_start_and_the_end_is_acted_on(
    folder: Path, words: tuple[str, ...], call: str
) -> None:
    with on_terminal(folder, call, "SIGTERM", *words, module=KILLER) as process:
        if call in AT_THE_END:
            assert process.until(lambda: READS_KEYS in process.output)
            process.type(CTRL_Q + b"y")

        assert_ended(process, STATUS[signal.SIGTERM])
        assert process.is_restored()
        assert kill_at_call.SENT in process.stderr


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", STATUS)
def test_a_signal_at_a_random_call_is_acted_on(folder: Path, number: signal.Signals) -> None:
    choice = random.Random(number.name)
    for call in (choice.randint(1, LATEST_CALL) for _ in range(KILLS)):
        with on_terminal(folder, str(call), number.name, *RECORDING, module=KILLER) as process:
            assert_ended(process, STATUS[number])
            assert process.is_restored(), f"call {call}"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", STATUS)
def test_a_signal_at_a_random_moment_after_the_screen_appears_is_acted_on(folder: Path, number: signal.Signals) -> None:
    choice = random.Random(number.name)
    for moment in (choice.uniform(0, 0.6) for _ in range(KILLS)):
        with on_terminal(folder) as process:
            assert shows_screen(process)
            process.read(moment)
            process.kill(number)

            assert_ended(process, STATUS[number])
            assert process.is_restored(), f"after {moment:.3f} s"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("words", [(), RECORDING], ids=["live", "recording"])
@pytest.mark.parametrize("ignores_hup", [False, True])
def test_a_terminal_closed_at_a_random_moment_ends_pvhdbg_like_sighup(
    folder: Path, words: tuple[str, ...], ignores_hup: bool
) -> None:
    choice = random.Random(str((words, ignores_hup)))
    for moment in (choice.uniform(0, 3) for _ in range(KILLS)):
        with on_terminal(folder, *words, ignores_hup=ignores_hup) as process:
            process.read(moment)
            process.close_terminal()

            # Before pvhdbg's handlers are installed, the signal itself ends it.
            assert_ended(process, STATUS[signal.SIGHUP], -signal.SIGHUP)


@pytest.mark.parametrize("ignores_hup", [False, True])
def test_a_terminal_closed_while_the_screen_is_shown_gives_sighups_status(folder: Path, ignores_hup: bool) -> None:
    with on_terminal(folder, *RECORDING, ignores_hup=ignores_hup) as process:
        assert shows_screen(process)
        process.close_terminal()

        assert_ended(process, STATUS[signal.SIGHUP])


def test_a_terminal_closed_before_the_report_is_printed_gives_sighups_status(folder: Path) -> None:
    with on_terminal(folder, "dump", ignores_hup=True) as process:
        process.close_terminal()

        assert_ended(process, STATUS[signal.SIGHUP])


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with tmux.shell(tmp_path) as started:
        yield started


@pytest.mark.parametrize("lines", [("kill -TERM %1",), ("bg", "kill -TERM %1"), ("kill -HUP %1",)])
def test_a_signal_ends_a_suspended_pvhdbg_and_leaves_the_terminal_to_the_shell(
    shell: Shell, lines: tuple[str, ...]
) -> None:
    settings = shell.answer("stty -g")
    shell.start()
    shell.wait("stopped at prepare")
    shell.keys("C-z")
    shell.wait("Stopped")
    for line in lines:
        shell.type(f"{line}; sleep 1")

    assert [] == shell.leftovers()
    assert shell.wait(f"Exit {129 if 'HUP' in lines[-1] else 143}")
    assert settings == shell.answer("stty -g")
    assert ("1", "0") == tuple(map(shell.variable, ("cursor_flag", "alternate_on")))


def test_a_signal_ends_a_pvhdbg_that_was_started_in_the_background(shell: Shell) -> None:
    shell.start("&")
    shell.until(lambda _: "Stopped" in shell.answer("jobs"))
    shell.type("kill -TERM %1; sleep 1")

    assert [] == shell.leftovers()
    assert "0" == shell.variable("alternate_on")


def test_a_pvhdbg_that_was_started_in_the_background_continues_in_the_foreground(shell: Shell) -> None:
    shell.start("&")
    shell.until(lambda _: "Stopped" in shell.answer("jobs"))
    shell.type("fg")
    shell.wait("stopped at prepare")
    shell.type("p 40 + 2")

    assert "$1 = 42" in shell.wait("$1 = 42")
