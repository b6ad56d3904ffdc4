import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.live.system.watcher import Watcher
from pvhdbg.target.mi.client import console_command
from tests.paths import ROOT

# PVHDBG_ENDINGS=30 tests thoroughly. The few of a normal run are enough to detect a regression.
ENDINGS = int(os.environ.get("PVHDBG_ENDINGS", "3"))
STATUS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 130}
# From before the first child process starts to long after the guest has started to run.
LATEST = 0.4
PATIENCE = 120.0
"""Seconds until something must have ended, also on a busy computer."""


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a private runtime folder, where pvhdbg puts its sockets."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def driver(runtime: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Return a function that starts tests.live.driver in this test's runtime folder."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        assert runtime.exists()
        call = [sys.executable, "-m", "tests.live.driver"]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(call, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, process_group=0))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def processes(folder: Path) -> list[str]:
    """Return the command lines of all processes that name this folder or have a file open there."""
    return [command for command in map(_command, Path("/proc").glob("[0-9]*")) if str(folder) in command]


def _command(process: Path) -> str:
    try:
        links = [str(link.readlink()) for link in (process / "fd").iterdir()]
        return (process / "cmdline").read_text(errors="replace") + " ".join(links)
    except OSError:
        return ""


def leftovers(runtime: Path, timeout: float = PATIENCE) -> list[str]:
    """Return the files and processes that are left after `timeout` seconds."""
    end = time.monotonic() + timeout
    while left := [*map(str, runtime.iterdir()), *processes(runtime)]:
        if time.monotonic() > end:
            return left
        time.sleep(0.02)
    return []


@pytest.mark.parametrize("number", STATUS)
@pytest.mark.parametrize("moment", range(ENDINGS))
def test_nothing_is_left_after_a_signal_at_any_moment(
    driver: Callable[[], subprocess.Popen[str]], runtime: Path, number: signal.Signals, moment: int
) -> None:
    process = driver()
    time.sleep(random.Random(f"{number} {moment}").uniform(0, LATEST))
    process.send_signal(number)
    output = process.communicate(timeout=PATIENCE)  # until both pipes are closed: no child holds them

    assert [] == leftovers(runtime)
    if "ready" in output[0]:
        assert (STATUS[number], "") == (process.returncode, output[1])


@pytest.mark.parametrize("number", STATUS)
def test_nothing_is_left_of_a_running_guest(
    driver: Callable[[], subprocess.Popen[str]], runtime: Path, number: signal.Signals
) -> None:
    process = driver()
    assert process.stdout is not None
    folder, ready, running = (process.stdout.readline().strip() for _ in range(3))
    started = processes(runtime)
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)

    assert ("ready", "running", runtime) == (ready, running, Path(folder).parent)
    assert 3 <= len(started)
    assert [] == leftovers(runtime)
    assert STATUS[number] == process.returncode


def test_ctrl_c_in_the_terminal_leaves_nothing_behind(
    driver: Callable[[], subprocess.Popen[str]], runtime: Path
) -> None:
    process = driver()
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=PATIENCE)

    assert 130 == process.returncode
    assert [] == leftovers(runtime)


def test_the_watcher_restores_the_terminal(tmp_path: Path) -> None:
    controller, terminal = os.openpty()
    tty = os.ttyname(terminal)
    saved = _stty("-g", tty)
    watcher = Watcher(tmp_path / "folder")
    watcher.restore_terminal(tty, saved)
    _stty("raw -echo", tty)
    raw = _stty("-g", tty)
    os.close(watcher._pipe)
    watcher._process.wait(10)

    assert raw != saved == _stty("-g", tty)
    assert b"\x1b[?1049l" in os.read(controller, 4096)
    os.close(controller)
    os.close(terminal)


def test_the_watcher_does_not_touch_a_forgotten_terminal(tmp_path: Path) -> None:
    controller, terminal = os.openpty()
    tty = os.ttyname(terminal)
    watcher = Watcher(tmp_path / "folder")
    watcher.restore_terminal(tty, _stty("-g", tty))
    watcher.forget_terminal()
    _stty("raw -echo", tty)
    raw = _stty("-g", tty)
    os.close(watcher._pipe)
    watcher._process.wait(10)

    assert raw == _stty("-g", tty)
    os.close(controller)
    os.close(terminal)


def _stty(words: str, tty: str) -> str:
    done = subprocess.run(["stty", "-F", tty, *words.split()], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_program_that_gdb_started_ends_with_it(runtime: Path) -> None:
    with OwnMachine() as machine:
        machine.boot(QemuOptions(str(guest.ELF)))
        machine.wait_ready()
        machine.gdb.send(console_command("pipe info registers | sleep 1000"))
        while not any("sleep\0" in command for command in _of_group(machine.watcher.group)):
            time.sleep(0.02)

    assert [] == leftovers(runtime)
    assert [] == _of_group(machine.watcher.group)


def _of_group(group: int) -> list[str]:
    """Return the command lines of the processes in a group. Zombies have no command line."""
    members = (process for process in Path("/proc").glob("[0-9]*") if _group(int(process.name)) == group)
    return list(filter(None, map(_command, members)))


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
