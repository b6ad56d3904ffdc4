"""gdb's environment, and the cache of its compiled Python files: with a real gdb, limits and damaged files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pvhdbg import cli
from pvhdbg.live.gdb import environment
from pvhdbg.live.gdb.process import DAMAGED_CACHE
from tests.cli import shell
from tests.live import hostile_stub


def dump(home: Path, *limit: str) -> shell.Run:
    """Run `pvhdbg dump` with a home of its own, and with limits for prlimit."""
    done = subprocess.run(
        ["prlimit", *limit, *shell.PVHDBG, "dump", "--stage", "entry", "-c", "start-info"],
        env={**os.environ, "HOME": str(home), "XDG_CACHE_HOME": ""},
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=shell.PATIENCE,
    )
    return shell.Run(done.returncode, done.stdout.decode(), done.stderr.decode())


def damage(home: Path) -> list[Path]:
    """Fill the cache, and truncate its files. Return them."""
    assert 0 == dump(home).status
    files = list((home / ".cache").rglob("*.pyc"))
    for file in files:
        os.truncate(file, 50)
    return files


def test_a_damaged_cache_is_deleted_and_the_next_start_succeeds(tmp_path: Path) -> None:
    files = damage(tmp_path)
    first, second = dump(tmp_path), dump(tmp_path)

    assert len(files) > 10
    assert (3, "") == (first.status, first.out)
    assert f"pvhdbg: error: gdb exited with status 1: {DAMAGED_CACHE}\n  hint: run the command again\n" == first.err
    assert (0, "") == (second.status, second.err)


def test_attach_deletes_a_damaged_cache_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    with hostile_stub.running(tmp_path / "stub", "accept-hang", 0):
        status = cli.main(["attach", str(tmp_path / "stub")])

    assert 3 == status
    assert f"pvhdbg: error: gdb exited with status 1: {DAMAGED_CACHE}\n" in capsys.readouterr().err
    assert not (tmp_path / ".cache" / "pvhdbg" / "gdb-python").exists()


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_a_limit_on_the_size_of_files_leaves_no_truncated_file(tmp_path: Path, size: int) -> None:
    limited, unlimited = dump(tmp_path, f"--fsize={size}"), dump(tmp_path)

    assert (0, "") == (limited.status, limited.err)
    assert (0, "") == (unlimited.status, unlimited.err)
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
