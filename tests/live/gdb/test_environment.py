"""gdb's environment, and the cache of its compiled Python files: with a real gdb, limits and damaged files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pvhdbg.errors import MachineError
from pvhdbg.live.debuggee.attached_machine import AttachedMachine
from pvhdbg.live.gdb import environment
from pvhdbg.live.gdb.process import DAMAGED_CACHE
from tests.cli import shell
from tests.live import hostile_stub

START = """
import sys
from pathlib import Path
from pvhdbg.errors import PvhdbgError
from pvhdbg.live.gdb import script
from pvhdbg.live.gdb.mi_client import MiClient
from pvhdbg.live.gdb.process import GdbOptions, GdbProcess

process = GdbProcess(GdbOptions(), Path(sys.argv[1]), 0)
gdb = MiClient(process)
try:
    script.load(gdb)
    print(gdb.ask("-gdb-version").message)
except PvhdbgError as error:
    print(error)
process.kill()
gdb.close()
process.close()
"""


def start(home: Path, *limit: str) -> str:
    """Start gdb with a home of its own, and with limits for prlimit. Return "done", or why it did not start."""
    done = subprocess.run(
        ["prlimit", *limit, sys.executable, "-c", START, str(home)],
        env={**os.environ, "HOME": str(home), "XDG_CACHE_HOME": ""},
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=shell.PATIENCE,
    )
    return done.stdout.decode().strip()


def damage(home: Path) -> list[Path]:
    """Fill the cache, and truncate its files. Return them."""
    assert "done" == start(home)
    files = list((home / ".cache").rglob("*.pyc"))
    for file in files:
        os.truncate(file, 50)
    return files


def test_a_damaged_cache_is_deleted_and_the_next_start_succeeds(tmp_path: Path) -> None:
    files = damage(tmp_path)
    first, second = start(tmp_path), start(tmp_path)

    assert len(files) > 10
    assert first in (f"gdb exited with status 1: {DAMAGED_CACHE}", environment.NO_PYTHON)  # gdb 16 does not exit
    assert "done" == second


def test_attaching_with_a_damaged_cache_is_an_error_of_this_computer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(tmp_path)
    if start(tmp_path) == environment.NO_PYTHON:
        pytest.skip("this gdb goes on without Python")
    damage(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    refused = pytest.raises(MachineError, match=f"^gdb exited with status 1: {DAMAGED_CACHE}$")
    with hostile_stub.running(tmp_path / "stub", "accept-hang", 0), refused as error:
        AttachedMachine(str(tmp_path / "stub"))

    assert "run the command again" == error.value.hint
    assert not (tmp_path / ".cache" / "pvhdbg" / "gdb-python").exists()


@pytest.mark.parametrize("size", [100, 5000])
def test_a_limit_on_the_size_of_files_leaves_no_truncated_file(tmp_path: Path, size: int) -> None:
    limited, unlimited = start(tmp_path, f"--fsize={size}"), start(tmp_path)

    assert ["done", "done"] == [limited, unlimited]
    assert list((tmp_path / ".cache").rglob("*.pyc"))


def test_a_full_disk_holds_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_ROOM", 1 << 62)

    assert {"PYTHONDONTWRITEBYTECODE": "1"} == pycache_settings({"HOME": str(tmp_path)})


def pycache_settings(variables: dict[str, str]) -> dict[str, str]:
    settings = environment.of_gdb(variables, gdbinit=False)
    return {name: value for name, value in settings.items() if name.startswith("PYTHON")}


def test_gdbs_python_files_are_cached_in_the_users_cache_folder(tmp_path: Path) -> None:
    assert {"PYTHONPYCACHEPREFIX": f"{tmp_path}/.cache/pvhdbg/gdb-python"} == pycache_settings({"HOME": str(tmp_path)})
    assert {"PYTHONPYCACHEPREFIX": f"{tmp_path}/x/pvhdbg/gdb-python"} == pycache_settings(
        {"HOME": "/nowhere", "XDG_CACHE_HOME": f"{tmp_path}/x"}
    )


def test_gdbs_python_files_are_not_cached_where_others_could_change_them(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache").chmod(0o777)
    nothing = {"PYTHONDONTWRITEBYTECODE": "1"}

    assert nothing == pycache_settings({"HOME": str(tmp_path)})
    assert nothing == pycache_settings({"PYTHONPYCACHEPREFIX": str(tmp_path)})
    assert nothing == pycache_settings({"HOME": "", "XDG_CACHE_HOME": "cache"})
    assert nothing == pycache_settings({"HOME": "/proc/nowhere"})
