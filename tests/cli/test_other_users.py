"""pvhdbg as a user who is not root: a limit on processes, folders that can't be written, two users in a shared folder.

Root runs these tests as users that do not exist otherwise. They may read everything, because Python may be in root's
home, but write nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.cli import shell
from tests.paths import ROOT

USER = 40_000 + os.getpid() % 10_000
"""A user who runs no process, so that a limit on processes counts only the test's own."""
READ_ALL = (
    "--inh-caps=-all,+dac_read_search",
    "--bounding-set=-all,+dac_read_search",
    "--ambient-caps=+dac_read_search",
)
DUMP = ("dump", "--stage", "entry", "-c", "start-info")
ERROR = re.compile(r"pvhdbg: error: .+\n  hint: raise the limit.+\n")


def call(user: int, *words: str) -> list[str]:
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *READ_ALL, *words]


def run(user: int, folder: Path, *words: str, variables: dict[str, str | None] | None = None) -> shell.Run:
    """Run pvhdbg as a user. `folder` is for its private files; a variable that is None is not set."""
    settings = {"HOME": "/nonexistent", "TMPDIR": str(folder), "XDG_RUNTIME_DIR": None, "XDG_CACHE_HOME": None}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **settings, **(variables or {})}
    done = subprocess.run(
        call(user, *words),
        env={name: value for name, value in environment.items() if value is not None},
        cwd="/",
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=shell.PATIENCE,
    )
    return shell.Run(done.returncode, done.stdout.decode(), done.stderr.decode())


def is_clean(folder: Path) -> bool:
    """Wait until neither files in `folder` nor processes that have it in their environment are left."""
    shell.wait_for(lambda: not (shell.started_in(folder) or list(folder.iterdir())), 20)
    return True


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder like /tmp: everyone may create files, and only their owner may delete them."""
    if os.geteuid() != 0:
        pytest.skip("only root can run programs as another user")
    if subprocess.run(call(USER, "true"), check=False, capture_output=True).returncode:
        pytest.skip("this root may not run programs as another user with the right to read")
    for parent in (tmp_path, *tmp_path.parents[:-2]):
        parent.chmod(parent.stat().st_mode | 0o011)
    folder = tmp_path / "t"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


@pytest.mark.parametrize("command", [DUMP, ("check",)], ids=lambda command: command[0])
def test_a_limit_on_processes_gives_status_3_and_leaves_nothing(shared: Path, command: tuple[str, ...]) -> None:
    limits = range(9)
    runs = [run(USER, shared, "prlimit", f"--nproc={limit}", *shell.PVHDBG, *command) for limit in limits]
    failed = [done for done in runs if done.status]

    assert len(failed) > 2
    assert {(3, "")} == {(done.status, done.out) for done in failed}
    assert [] == [done.err for done in failed if not ERROR.fullmatch(done.err)]
    assert is_clean(shared)


@pytest.mark.parametrize("value", [None, "", "relative", "/nonexistent", "/dev/null", "/usr", "/a\nb"])
def test_folders_that_cannot_be_written_do_not_matter(shared: Path, value: str | None) -> None:
    folders: dict[str, str | None] = dict.fromkeys(
        ("HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"), value
    )
    done = run(USER, shared, *shell.PVHDBG, *DUMP, variables=folders)

    assert (0, "") == (done.status, done.err)
    assert is_clean(shared)


def test_two_users_in_a_shared_folder_do_not_disturb_each_other(shared: Path) -> None:
    users = (USER, USER + 10_000)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": "/nonexistent", "TMPDIR": str(shared)}
    environment.pop("XDG_RUNTIME_DIR", None)
    processes = [
        subprocess.Popen(
            call(user, *shell.PVHDBG, *DUMP),
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for user in users
    ]
    errors = [process.communicate(timeout=shell.PATIENCE)[1] for process in processes]

    assert [b"", b""] == errors
    assert [0, 0] == [process.returncode for process in processes]
    assert is_clean(shared)


def test_a_file_of_another_user_is_not_replaced(shared: Path) -> None:
    (shared / "boot.json").write_text("old")
    done = run(USER, shared, *shell.PVHDBG, "dump", "--stage", "entry", "-o", str(shared / "boot.json"))

    assert (2, "") == (done.status, done.out)
    assert f"pvhdbg: error: {shared}/boot.json: cannot write: Operation not permitted\n" == done.err
    assert ["boot.json"] == [path.name for path in shared.iterdir()]
    assert "old" == (shared / "boot.json").read_text()
