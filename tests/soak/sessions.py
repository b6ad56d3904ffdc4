"""Many sessions at the same time, and many stops in one session."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.cli import shell
from tests.live.runs import started

if TYPE_CHECKING:
    from pvhdbg.live.debuggee.gdb_machine import GdbMachine

MOST_GROWTH = 1024
"""By how many KiB pvhdbg's memory may grow while it makes thousands of stops."""


class Memory(NamedTuple):
    """Resident memory after a number of stops, in KiB."""

    stops: int
    pvhdbg: int
    gdb: int
    qemu: int


def side_by_side(count: int) -> list[str]:
    """Run `count` dumps of the teaching guest at once. Return what is wrong."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    env = {**os.environ, "TMPDIR": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    call = [*shell.PVHDBG, "dump", "--format", "json", "--timeout", "300"]
    try:
        processes = [
            subprocess.Popen(call, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(count)
        ]
        outputs = [process.communicate(timeout=600) for process in processes]
        problems = [err.decode() for process, (_, err) in zip(processes, outputs, strict=True) if process.returncode]
        reached = {json.loads(out)["outcome"]["reached"] for out, _ in outputs if out}
        problems += [] if reached == {"e820"} else [f"reached {reached}"]
        left = [*shell.started_in(folder).values(), *map(str, folder.iterdir())]
        return [*problems, *left]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def step(marks: tuple[int, ...]) -> list[Memory]:
    """Step the teaching guest by instruction. Return the memory that all three programs use after so many stops."""
    measured = []
    with started() as debuggee:
        machine = debuggee.machine
        debuggee.to_stage("entry")
        for stop in range(1, max(marks) + 1):
            debuggee.resume("stepi")
            if stop in marks:
                _free_unused()
                measured.append(Memory(stop, *(_resident(pid) for pid in _pids(machine))))
    return measured


def _free_unused() -> None:
    """Give memory that Python has freed back to the system, so that only what is still used is measured.

    The C library keeps freed memory: up to 6 MiB after some thousand stops, and no more after that.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def _pids(machine: GdbMachine) -> tuple[int, int, int]:
    assert machine.qemu is not None
    return os.getpid(), machine.gdb.process.pid, machine.qemu.pid


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
