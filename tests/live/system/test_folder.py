"""The private folder, also where other users can write."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from pvhdbg.errors import MachineError
from pvhdbg.live.system import folder

NOBODY = 65534


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a short path. Neither TMPDIR nor XDG_RUNTIME_DIR is set."""
    for name in ("TMPDIR", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("name", ["plain", "a b", "a,b", 'a"b', "a\\b", "caf\udce9", "a\x1bb"])
def test_the_folder_is_in_tmpdir(places: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (places / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(places / name))

    assert places / name == folder.choose().parent


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a:b", "x" * 100, "missing/folder"])
def test_the_folder_is_in_tmp_if_gdb_or_a_socket_cannot_use_tmpdir(
    places: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if "missing" not in name:
        (places / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(places / name))

    assert Path("/tmp") == folder.choose().parent


def test_without_any_usable_folder_the_error_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(MachineError, match=r"^no folder for sockets$") as error:
        folder.choose()

    assert error.value.hint is not None
    assert re.search("TMPDIR.*colon", error.value.hint)


def test_removing_the_folder_does_not_follow_a_link_in_its_place(places: Path) -> None:
    (places / "home").mkdir()
    (places / "home" / "file").touch()
    (places / "pvhdbg").symlink_to(places / "home")
    folder.remove(places / "pvhdbg")

    assert ["file"] == [path.name for path in (places / "home").iterdir()]


def test_the_folder_is_removed_with_its_files_and_links(places: Path) -> None:
    folder.make(places / "pvhdbg")
    (places / "pvhdbg" / "link").symlink_to(places)
    (places / "pvhdbg" / "file").touch()
    folder.remove(places / "pvhdbg")
    folder.remove(places / "pvhdbg")

    assert [] == list(places.iterdir())


def test_a_full_disk_has_a_hint(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, mode: int) -> None:
        raise OSError(errno.ENOSPC, f"No space left on device, mode {mode:o}")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(MachineError, match=r"can't create the folder .*: No space left on device, mode 700$") as error:
        folder.make(places / "new")

    assert "free disk space, or set XDG_RUNTIME_DIR to another folder" == error.value.hint


def test_a_folder_that_exists_is_not_taken_for_the_new_one(places: Path) -> None:
    (places / "planted").symlink_to(places)
    with pytest.raises(MachineError, match="can't create the folder"):
        folder.make(places / "planted")

    assert ["planted"] == [path.name for path in places.iterdir()]


@pytest.mark.parametrize(("mode", "private"), [(0o755, True), (0o700, True), (0o775, False), (0o777, False)])
def test_a_folder_is_private_if_only_the_user_can_write_there(places: Path, mode: int, private: bool) -> None:
    (places / "cache").mkdir()
    (places / "cache").chmod(mode)

    assert private == folder.make_private(places / "cache")


@pytest.mark.parametrize(("mode", "private"), [(0o755, True), (0o1777, True), (0o777, False)])
def test_a_folder_is_not_private_if_others_can_replace_it(places: Path, mode: int, private: bool) -> None:
    places.chmod(mode)

    assert private == folder.make_private(places / "cache" / "pvhdbg")
    assert (places / "cache" / "pvhdbg").is_dir()


def test_a_folder_that_others_made_or_that_a_link_of_theirs_leads_to_is_not_private(places: Path) -> None:
    places.chmod(0o1777)
    (places / "theirs").mkdir()
    (places / "open").mkdir()
    (places / "open").chmod(0o777)
    (places / "link").symlink_to("open")
    (places / "loop").symlink_to("loop")
    if os.geteuid() == 0:
        os.chown(places / "theirs", NOBODY, NOBODY)
    else:
        (places / "theirs").chmod(0o777)

    assert not folder.make_private(places / "theirs" / "cache")
    assert not folder.make_private(places / "link")
    assert not folder.make_private(places / "loop" / "cache")
    assert not folder.make_private(Path("/proc/nowhere"))
