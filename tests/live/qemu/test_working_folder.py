"""No file in the user's folder replaces QEMU's firmware, and relative paths in QEMU's arguments keep their meaning."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.cli import main
from pvhdbg.errors import UserError
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.live.qemu.working_folder import choose, with_absolute_paths

FIRMWARE = {"pc": ("pvh.bin", "bios-256k.bin"), "microvm": ("bios-microvm.bin",)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: it has a kernel."""
    shutil.copy(guest.ELF, tmp_path / "vmlinux")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("machine", "name"), [(machine, name) for machine in FIRMWARE for name in FIRMWARE[machine]])
def test_a_file_named_like_firmware_next_to_the_kernel_is_ignored(folder: Path, machine: str, name: str) -> None:
    (folder / name).write_bytes(bytes(1024))

    assert 0 == main(["dump", "./vmlinux", "-M", machine, "--stage", "entry"])


def test_such_a_file_is_refused_if_qemus_arguments_have_relative_paths(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "disk.img").write_bytes(bytes(512))
    (folder / "pvh.bin").write_bytes(bytes(1024))
    drive = ["--", "-drive", "file=disk.img,if=none,format=raw"]

    assert 2 == main(["dump", "./vmlinux", "-M", "pc", "--stage", "entry", *drive])
    assert f"error: {folder}/pvh.bin: QEMU would use this file instead of its own firmware" in capsys.readouterr().err

    (folder / "pvh.bin").unlink()

    assert 0 == main(["dump", "./vmlinux", "-M", "pc", "--stage", "entry", *drive])


@pytest.mark.parametrize(
    "args",
    [
        ("-drive", "file=disk.img,if=virtio"),
        ("-bios", "firmware"),
        ("-D", "log"),
        ("-device", "loader,file=sub/blob"),
        ("-object", "memory-backend-file,mem-path=existing"),
    ],
    ids=" ".join,
)
def test_the_users_folder_is_kept_for_relative_paths(folder: Path, args: tuple[str, ...]) -> None:
    (folder / "existing").touch()

    assert choose(QemuOptions("vmlinux", args=args), folder) is None


@pytest.mark.parametrize(
    "args",
    [(), ("-smp", "2"), ("-device", "isa-debug-exit,iobase=0xf4"), ("-drive", "file=/disk.img"), ("-rtc", "clock=vm")],
    ids=" ".join,
)
def test_otherwise_qemu_gets_the_private_folder(folder: Path, args: tuple[str, ...]) -> None:
    assert folder == choose(QemuOptions("vmlinux", args=args), folder)


def test_a_file_that_the_user_named_is_not_refused(folder: Path) -> None:
    (folder / "bios-microvm.bin").write_bytes(bytes(1024))

    assert choose(QemuOptions("vmlinux", args=("-bios", "bios-microvm.bin")), folder) is None
    with pytest.raises(UserError, match=r"bios-microvm\.bin: QEMU would use this file"):
        choose(QemuOptions("vmlinux", args=("-D", "log")), folder)


def test_paths_of_pvhdbgs_own_options_become_absolute(folder: Path) -> None:
    options = with_absolute_paths(QemuOptions("vmlinux", "../initrd", binary="./qemu"))

    assert f"{folder}/vmlinux" == options.kernel
    assert os.path.normpath(folder / "../initrd") == options.initrd
    assert f"{folder}/qemu" == options.binary
    assert "qemu-system-x86_64" == with_absolute_paths(QemuOptions("vmlinux")).binary
