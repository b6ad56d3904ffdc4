"""Run pvhdbg as users do: as a process, with its output and exit status."""

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
"""Seconds to wait. An idle machine needs less than one."""


class Run(NamedTuple):
    """A finished run."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON
        """Standard output, parsed as JSON."""
        return json.loads(self.out)


def pvhdbg(*words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Run:
    """Run pvhdbg until it ends, with empty standard input."""
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
    """Run pvhdbg while the test continues. Only pvhdbg and its children have `folder` in their environment."""
    process = subprocess.Popen(
        # nohup and a shell's `&` let the tests, and so pvhdbg, ignore signals.
        ["env", "--default-signal=HUP,INT,TERM", *PVHDBG, *map(str, words)],
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
    """Return the running processes that have `folder` in their environment: command lines by pid."""
    processes = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # the process has just exited
                if os.fsencode(f"TMPDIR={folder}") in (entry / "environ").read_bytes().split(b"\0"):
                    processes[int(entry.name)] = os.fsdecode((entry / "cmdline").read_bytes()).replace("\0", " ")
    return processes


def wait_for(condition: Callable[[], T | None], patience: float = PATIENCE) -> T:
    """Wait until `condition` returns a true value, and return the value.

    :raise TimeoutError: after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)
    return result
