"""Several commands at the same time: real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pvhdbg.errors import MachineError
from pvhdbg.live.system.jobs import Finished, Jobs
from tests.cli.shell import wait_for

PATIENCE = 120


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def finished(commands: list[list[str]], at_once: int) -> list[Finished]:
    with Jobs(commands, at_once) as jobs:
        return sorted(jobs)


def test_each_command_comes_with_its_output_and_exit_status() -> None:
    done = finished([shell("echo out; echo err >&2; exit 7"), shell("kill -9 $$"), shell("cat")], 2)

    assert [(0, 7, b"out\n", b"err\n"), (1, -signal.SIGKILL, b"", b""), (2, 0, b"", b"")] == [job[:4] for job in done]


def test_commands_run_at_the_same_time(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    pipe = tmp_path / "pipe"
    writing, reading = shell(f"echo x > {pipe}"), shell(f"cat {pipe}")  # each waits for the other

    assert [0, 0] == [job.status for job in finished([writing, reading], 2)]


def test_no_more_commands_run_than_allowed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    alone = shell(f"mkdir {lock} && sleep 0.02 && rmdir {lock}")

    assert {0} == {job.status for job in finished([alone] * 8, 1)}


def test_a_command_that_cannot_be_started_does_not_end_the_others() -> None:
    missing, present = finished([["/nonexistent/program"], shell("exit 0")], 1)

    assert isinstance(missing.error, MachineError)
    assert ("can't start /nonexistent/program: No such file or directory", None) == (str(missing.error), missing.status)
    assert 0 == present.status


def test_an_interrupt_ends_the_running_commands_and_starts_no_others(tmp_path: Path) -> None:
    ready, never = tmp_path / "ready", tmp_path / "never"
    running = shell(f"trap 'exit 3' INT; touch {ready}; while :; do sleep 0.01; done")
    with Jobs([running, shell(f"touch {never}")], 1) as jobs:
        wait_for(ready.exists, PATIENCE)
        jobs.interrupt()
        done = list(jobs)

    assert [(0, 3)] == [(job.number, job.status) for job in done]
    assert not never.exists()


def test_what_was_not_handled_before_an_exception_comes_again() -> None:
    with Jobs([shell("exit 0"), shell("exit 1")], 1) as jobs:
        first = next(iter(jobs))
        again = list(jobs)

    assert [0, 1] == [job.number for job in again]
    assert first == again[0]


def test_a_command_that_ignores_sigterm_is_killed_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pvhdbg.live.system.jobs._ENDS_WITHIN", 0.1)
    ready = tmp_path / "ready"
    with Jobs([shell(f"trap '' TERM; echo $$ > {ready}; while :; do sleep 0.01; done")], 1):
        pid = int(wait_for(lambda: ready.read_text() if ready.exists() else None, PATIENCE))

    wait_for(lambda: not _command_line(pid), PATIENCE)
    assert b"" == _command_line(pid)


def _command_line(pid: int) -> bytes:
    """Return the command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


SCRIPT = """
import os, signal, sys
from pvhdbg.live.system.jobs import Jobs
with Jobs([["/bin/sh", "-c", f"echo $$ > {sys.argv[1]}; exec sleep 600"]], 1) as jobs:
    list(jobs)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_commands_end_with_pvhdbg(tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready"
    words = ["env", "--default-signal=INT", sys.executable, "-c", SCRIPT, str(ready)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        pid = int(wait_for(lambda: ready.read_text() if ready.exists() else None, PATIENCE))
        process.send_signal(number)
        process.wait(PATIENCE)

    wait_for(lambda: not _command_line(pid), PATIENCE)
    assert b"" == _command_line(pid)
