"""If a signal kills pvhdbg at any moment, no process and no file is left. PVHDBG_KILLS sets the number of tries."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiny
from tests.cli import shell

KILLS = int(os.environ.get("PVHDBG_KILLS", "2"))
LATEST = 0.8
"""Seconds after the start. By then the guest runs, unless the machine is very busy."""

STATUS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGINT: 130}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A private folder with a short path, because the length of a socket path is limited."""
    path = Path(tempfile.mkdtemp(prefix="kill-"))
    yield path
    shutil.rmtree(path)


def left(folder: Path) -> list[str]:
    """Return the processes and files that are left after some time."""
    try:
        shell.wait_for(lambda: not (shell.started_in(folder) or list(folder.iterdir())))
    except TimeoutError:
        return [*shell.started_in(folder).values(), *map(str, folder.rglob("*"))]
    return []


def moments(by: signal.Signals) -> list[float]:
    """Return random moments, the same in every run, different for each signal."""
    choice = random.Random(by.name)
    return [choice.uniform(0, LATEST) for _ in range(KILLS)]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("by", STATUS, ids=lambda by: by.name)
def test_nothing_is_left_of_both_machines_of_who_after_a_kill(by: signal.Signals, waiting: Path, folder: Path) -> None:
    for moment in moments(by):
        for kernel in ([waiting], []):  # the first machine never gets to prepare; the second one is observed
            with shell.running("who", "--all", *kernel, "--timeout", "600", folder=folder) as process:
                time.sleep(moment)
                process.send_signal(by)
                process.communicate(timeout=shell.PATIENCE)

            assert [] == left(folder), f"{by.name} after {moment:.3f} s"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("by", STATUS, ids=lambda by: by.name)
def test_nothing_is_left_after_a_kill_at_any_moment(by: signal.Signals, waiting: Path, folder: Path) -> None:
    for moment in moments(by):
        with shell.running("dump", waiting, "--timeout", "600", folder=folder) as process:
            time.sleep(moment)
            process.send_signal(by)
            process.wait(shell.PATIENCE)

        assert [] == left(folder), f"{by.name} after {moment:.3f} s"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("by", STATUS, ids=lambda by: by.name)
def test_nothing_is_left_of_several_boots_after_a_kill(by: signal.Signals, waiting: Path, folder: Path) -> None:
    for moment in moments(by):
        words = ("check", waiting, "-M", "microvm,pc,q35", "-j", "2", "--timeout", "600")
        with shell.running(*words, folder=folder) as process:
            time.sleep(moment)
            process.send_signal(by)
            process.communicate(timeout=shell.PATIENCE)

        assert process.returncode in (STATUS[by], -by)  # a signal at the start of Python kills it
        assert [] == left(folder), f"{by.name} after {moment:.3f} s"


def test_nothing_is_left_of_a_test_that_timed_out(monkeypatch: pytest.MonkeyPatch, waiting: Path, folder: Path) -> None:
    """The fork of pvhdbg has the environment of its server, but QEMU has that of the test."""
    environment = {**os.environ, "TMPDIR": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    shell.pvhdbg("--version")  # starts the server
    monkeypatch.setattr(shell, "PATIENCE", 2)
    with pytest.raises(TimeoutError):
        shell.pvhdbg("dump", waiting, "--timeout", "600", env=environment)
    monkeypatch.undo()

    assert [] == left(folder)


@pytest.mark.parametrize("by", STATUS, ids=lambda by: by.name)
def test_a_signal_ends_the_guest_and_gives_its_exit_status(by: signal.Signals, waiting: Path, folder: Path) -> None:
    report = folder / "runs"
    words = ("dump", waiting, "--timeout", "600", "--", *tiny.report_to(report))
    with shell.running(*words, folder=folder) as process:
        shell.wait_for(lambda: report.exists() and report.read_bytes())
        programs = sorted(line.partition(" ")[0] for line in shell.started_in(folder).values())
        process.send_signal(by)
        _, err = process.communicate(timeout=shell.PATIENCE)
    report.unlink()

    assert {"qemu-system-x86_64", "/bin/sh"} <= set(programs)
    assert "gdb" not in programs
    assert STATUS[by] == process.returncode
    assert b"Traceback" not in err
    assert [] == left(folder)


def test_an_interrupted_dump_prints_its_document(waiting: Path, folder: Path) -> None:
    report = folder / "runs"
    words = ("dump", waiting, "--timeout", "600", "--format", "json", "--", *tiny.report_to(report))
    with shell.running(*words, folder=folder) as process:
        shell.wait_for(lambda: report.exists() and report.read_bytes())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=shell.PATIENCE)
        done = shell.Run(process.returncode, out.decode(), err.decode())

    assert 130 == done.status
    assert ["interrupted", "entry"] == [done.document["outcome"][key] for key in ("ended", "reached")]
    assert ["entry"] == [stop["stage"] for stop in done.document["stops"]]
