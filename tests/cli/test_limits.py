"""What the system refuses is one line and status 3 (a file's own trouble status 2), and nothing is left."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.shell import PATIENCE, PVHDBG, Run, pvhdbg

FEW = range(8, 17)
"""Open files: too few for all that a boot opens, from gdb's pipes to QEMU's sockets; with fewer Python can't start."""


def with_few_files(count: int, folder: Path, *words: str) -> Run:
    done = subprocess.run(
        ["/bin/sh", "-c", f'ulimit -n {count}; exec "$@"', "sh", *PVHDBG, *words],
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
    )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_too_few_open_files_are_this_machines_fault_wherever_they_run_out(tmp_path: Path) -> None:
    failed = [
        each for each in (with_few_files(count, tmp_path, "dump", "--stage", "entry") for count in FEW) if each[0]
    ]
    said = re.compile(
        r"pvhdbg: error: can't .+: Too many open files\n  hint: (?:raise the limit on open files|close files).+\n"
    )

    assert len(failed) > 2
    assert {(3, "")} == {(each.status, each.out) for each in failed}
    assert [] == [each.err for each in failed if not said.fullmatch(each.err)]
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [("dump",), ("check",), ("attach", "/nonexistent")], ids=str)
def test_a_log_that_can_be_opened_and_not_written_is_an_error_and_no_hang(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    done = pvhdbg(*words, "--mi-log", "/dev/full", env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)})

    assert (2, "", "pvhdbg: error: can't write /dev/full: No space left on device\n") == done
    assert [] == list(tmp_path.iterdir())
