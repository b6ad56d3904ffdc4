"""pvhdbg as its users start it: a process of its own, with what it prints and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")

PVHDBG = (sys.executable, "-m", "pvhdbg")
PATIENCE = 240
"""Seconds. A machine with nothing else to do needs less than one."""


class Run(NamedTuple):
    """How it went."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON
        """What it printed, as JSON."""
        return json.loads(self.out)


def pvhdbg(*words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Run:
    """Run it to its end, with nobody at the keyboard."""
    done = subprocess.run(
        [*PVHDBG, *map(str, words)],
        cwd=cwd,
        env=env,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
    )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextmanager
def running(*words: str | Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run it beside the test. Everything it starts, and nothing else, has `folder` in its environment."""
    process = subprocess.Popen(
        [*PVHDBG, *map(str, words)],
        env={**os.environ, "TMPDIR": str(folder), "XDG_RUNTIME_DIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def started_in(folder: Path) -> dict[int, str]:
    """Every living process that has `folder` in its environment: its command line by its id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it ends while we look
                if os.fsencode(f"TMPDIR={folder}") in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = os.fsdecode((entry / "cmdline").read_bytes()).replace("\0", " ")
    return found


def wait_for(done: Callable[[], T | None], patience: float = PATIENCE) -> T:
    """Wait until it gives something true, and give that. :raise TimeoutError: if it takes too long."""
    deadline = time.monotonic() + patience
    while not (found := done()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)
    return found
