"""Saving a file replaces the old one completely, or leaves it untouched."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pvhdbg.boot.record import save as module
from pvhdbg.boot.record.save import save
from pvhdbg.errors import UserError
from pvhdbg.live.gdb.process import _open_log

FULL_DISK = """
mount -t tmpfs -o size=16k none {folder}
printf old > {folder}/boot.json
{python} -c '
from pathlib import Path
from pvhdbg.boot.record.save import save
save(Path("{folder}/boot.json"), "x" * 100000)
'
echo "status $?"
ls -A {folder}
cat {folder}/boot.json
"""


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_new_file_has_the_text_and_the_umask_applies(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        save(tmp_path / "boot.json", "text é\n")
    finally:
        os.umask(before)

    assert "text é\n" == (tmp_path / "boot.json").read_text(encoding="utf-8")
    assert 0o640 == stat.S_IMODE((tmp_path / "boot.json").stat().st_mode)
    assert ["boot.json"] == names(tmp_path)


def test_the_permissions_of_the_old_file_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "boot.json"
    path.write_text("old")
    path.chmod(0o600)
    save(path, "new")

    assert ("new", 0o600) == (path.read_text(), stat.S_IMODE(path.stat().st_mode))


def test_a_symbolic_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    save(tmp_path / "link", "new")

    assert (tmp_path / "link").is_symlink()
    assert "new" == (tmp_path / "target").read_text()


def planted_link(folder: Path, owner: int) -> Path:
    """Return a link to a file through a second link, which has this owner and is in a folder like /tmp."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a link to another user")
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (folder / "target").write_text("old")
    (shared / "planted").symlink_to("../target")
    os.lchown(shared / "planted", owner, owner)
    (folder / "link").symlink_to("shared/planted")
    return folder / "link"


def test_another_users_link_in_a_shared_folder_is_not_followed(tmp_path: Path) -> None:
    link = planted_link(tmp_path, 54321)
    with pytest.raises(UserError, match=r"shared/planted: another user's symbolic link in a shared folder$"):
        save(link, "new")
    with pytest.raises(UserError, match=r"shared/planted: another user's symbolic link in a shared folder$"):
        _open_log(str(link))

    assert "old" == (tmp_path / "target").read_text()


@pytest.mark.parametrize(("owner", "mode"), [(0, 0o1777), (54321, 0o755)])
def test_ones_own_link_and_one_in_a_private_folder_are_followed(tmp_path: Path, owner: int, mode: int) -> None:
    link = planted_link(tmp_path, owner)
    (tmp_path / "shared").chmod(mode)
    save(link, "new")

    assert "new" == (tmp_path / "target").read_text()


def test_a_pipe_is_written_directly(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
        save(tmp_path / "pipe", "through")

        assert b"through" == reader.communicate()[0]


@pytest.mark.parametrize("path", ["/nonexistent/boot.json", "/proc/boot.json", "/dev/full"])
def test_a_file_that_cannot_be_written_is_an_error(path: str) -> None:
    with pytest.raises(UserError, match=f"^{path}: cannot write: "):
        save(Path(path), "text")


@pytest.mark.parametrize("has_unnamed_files", [True, False])
def test_after_an_interrupt_the_old_file_is_untouched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_unnamed_files: bool
) -> None:
    def interrupted(_descriptor: int, _data: bytes) -> None:
        raise KeyboardInterrupt

    if not has_unnamed_files:
        monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)
    monkeypatch.setattr(module, "_write", interrupted)
    (tmp_path / "boot.json").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "boot.json", "new")

    assert ["boot.json"] == names(tmp_path)
    assert "old" == (tmp_path / "boot.json").read_text()


def test_a_file_system_without_unnamed_files_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)
    save(tmp_path / "boot.json", "new")

    assert ["boot.json"] == names(tmp_path)
    assert "new" == (tmp_path / "boot.json").read_text()


def test_an_input_output_error_is_not_retried_in_another_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real_open = tmp_path / "boot.json", os.open

    def failing_open(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real_open(path, flags, mode)

    monkeypatch.setattr(os, "open", failing_open)
    with pytest.raises(UserError, match="Input/output error"):
        save(path, "new")
    assert [] == names(tmp_path)


def test_a_full_disk_leaves_the_old_file_and_no_part_of_the_new_one(tmp_path: Path) -> None:
    """A tmpfs of 16 KiB, in a mount namespace of its own."""
    script = FULL_DISK.format(folder=tmp_path, python=sys.executable)
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", script], check=False, capture_output=True, text=True
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(done.stderr.splitlines()[0])

    assert "cannot write: No space left on device" in done.stderr
    assert "status 1\nboot.json\nold" == done.stdout
