"""Ctrl-C while a command is being imported, and after it is done: no traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.shell import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        ("pvhdbg.cli.options", 130),
        ("pvhdbg.cli.command.explain", 130),
        ("exit", 0),
    ],
)
def test_an_interrupt_at_any_time_is_quiet(place: str, status: int) -> None:
    assert (status, "") == interrupted(place, "explain", "magic")


def test_an_ignored_interrupt_stays_ignored() -> None:
    assert (0, "") == interrupted("pvhdbg.cli", "explain", "magic", prefix=("env", "--ignore-signal=INT"))
