"""Ctrl-C while a command is being imported, and after it is done: no traceback."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests import tiny
from tests.cli.shell import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCRIPT = """
import atexit, os, runpy, signal, sys
place, words = sys.argv[1], sys.argv[2:]
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == place:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
if place == "exit":
    atexit.register(os.kill, os.getpid(), signal.SIGINT)
sys.argv = ["pvhdbg", *words]
runpy.run_module("pvhdbg", run_name="__main__")
"""


def interrupted(place: str, *words: str, prefix: Sequence[str] = ("env", "--default-signal=INT")) -> tuple[int, str]:
    """Interrupt `pvhdbg` when it imports the module `place`, or at the exit. Return the status and the errors."""
    done = subprocess.run(
        [*prefix, sys.executable, "-c", SCRIPT, place, *words],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("pvhdbg.cli", -signal.SIGINT),
        ("pvhdbg.errors", -signal.SIGINT),
        ("pvhdbg.views.explain.lookup", 130),
        ("pvhdbg.cli.command.explain", 130),
        ("exit", 0),
    ],
)
def test_an_interrupt_at_any_time_is_quiet(place: str, status: int) -> None:
    assert (status, "") == interrupted(place, "explain", "magic")


def test_an_ignored_interrupt_stays_ignored() -> None:
    assert (0, "") == interrupted("pvhdbg.cli", "explain", "magic", prefix=("env", "--ignore-signal=INT"))


LOST = """
import os, sys
from pvhdbg.__main__ import main
from pvhdbg.boot.run import watch
number = int(sys.argv.pop(1))
class Interrupted:
    def __del__(self):
        os.kill(os.getpid(), number)
        for _ in range(1000):
            pass
def run(self, run=watch._Watch.run):
    Interrupted()
    return run(self)
watch._Watch.run = run
main()
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_a_signal_during_a_destructor_is_not_lost(tmp_path: Path, number: int, status: int) -> None:
    path = tmp_path / "looping.elf"
    path.write_bytes(tiny.nameless())
    done = subprocess.run(
        ["env", "--default-signal", sys.executable, "-c", LOST, str(number), "check", str(path), "--watch", "1e5"],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    assert (status, "") == (done.returncode, "".join(re.findall("Traceback.*", done.stderr)))
