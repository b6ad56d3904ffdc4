"""If the operating system refuses a resource: one line, exit status 3 (2 for a file), and nothing is left behind."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.cli.shell import PATIENCE, PVHDBG, Run, pvhdbg
from tests.paths import RECORDINGS_DIR

FEW = range(8, 17)
"""Limits on open files that are too low for a boot. With fewer, Python itself cannot start."""


def with_few_files(count: int, folder: Path, *words: str) -> Run:
    return limited(f"-n {count}", folder, *words)


def limited(limit: str, folder: Path, *words: str) -> Run:
    done = subprocess.run(
        ["/bin/sh", "-c", f'ulimit {limit}; exec "$@"', "sh", *PVHDBG, *words],
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
    )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_running_out_of_open_files_anywhere_gives_status_3(tmp_path: Path) -> None:
    runs = [with_few_files(count, tmp_path, "dump", "--stage", "entry") for count in FEW]
    failed = [run for run in runs if run.status]
    error = re.compile(
        r"pvhdbg: error: (?:can't .+: Too many open files|QEMU .+)\n  hint: (?:raise the limit.+|close files.+)\n"
    )

    assert len(failed) > 2
    assert {(3, "")} == {(run.status, run.out) for run in failed}
    assert [] == [run.err for run in failed if not error.fullmatch(run.err)]
    assert [] == list(tmp_path.iterdir())


def test_a_log_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    done = pvhdbg(
        "attach", "127.0.0.1:1", "--mi-log", "/dev/full", env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    )

    assert (2, "", "pvhdbg: error: can't write /dev/full: No space left on device\n") == done
    assert [] == list(tmp_path.iterdir())


def test_a_file_for_qemu_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    done = limited("-f 0", tmp_path, "dump", "--load")

    assert (3, "") == (done.status, done.out)
    assert re.fullmatch(r"pvhdbg: error: can't write .+: File too large\n  hint: raise the limit on .+\n", done.err)
    assert [] == list(tmp_path.iterdir())


def test_too_little_memory_for_a_recording_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "large.json").write_text("[" + "1," * (20 << 20) + "1]")
    done = limited("-v 150000", tmp_path, "show", str(tmp_path / "large.json"))

    assert (3, "") == (done.status, done.out)
    assert re.fullmatch(r"pvhdbg: error: pvhdbg ran out of memory\n  hint: .+\n", done.err)


def test_a_recording_needs_little_memory(tmp_path: Path) -> None:
    done = limited("-v 120000", tmp_path, "show", str(RECORDINGS_DIR / "teaching-guest.json"))

    assert (0, "") == (done.status, done.err)
