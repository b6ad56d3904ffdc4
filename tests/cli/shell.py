"""Run pvhdbg as users do: as a process, with its output and exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tests.cli import forks

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
    arguments = [*map(str, words)]
    with Path(os.devnull).open("rb") as nothing, TemporaryFile() as out, TemporaryFile() as err:
        if forks.can_run(env):
            files = [file.fileno() for file in (nothing, out, err)]
            status = forks.run(arguments, os.environ if env is None else env, str(cwd or Path.cwd()), files, PATIENCE)
        else:
            call = [*PVHDBG, *arguments]
            done = subprocess.run(
                call, cwd=cwd, env=env, check=False, stdin=nothing, stdout=out, stderr=err, timeout=PATIENCE
            )
            status = done.returncode
        out.seek(0)
        err.seek(0)
        return Run(status, out.read().decode(), err.read().decode())


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
