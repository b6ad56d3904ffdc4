"""QEMU starts before the kernel file is examined, and ends if the kernel is then rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg import guest
from pvhdbg.cli import early_start
from pvhdbg.cli.options import parse
from tests.cli import shell
from tests.cli.shell import pvhdbg
from tests.image.builder import elf, load

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.live.qemu.options import QemuOptions


class Recorded:
    """A machine that only notes what it is asked to boot."""

    def __init__(self) -> None:
        self.booted: list[QemuOptions] = []

    def boot(self, options: QemuOptions) -> None:
        self.booted.append(options)


def started(*words: str | Path) -> tuple[QemuOptions | None, list[QemuOptions]]:
    _, options = parse(["dump", *map(str, words)])
    machine = Recorded()
    return early_start.start(options, machine, None), machine.booted  # type: ignore[arg-type]


def test_the_teaching_guest_and_other_64_bit_elf_files_start_at_once(tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(elf([load()]))
    for words, kernel in (((), guest.ELF), ((tmp_path / "kernel", "-m", "1G"), tmp_path / "kernel")):
        options, booted = started(*words)

        assert options is not None
        assert [options] == booted
        assert str(kernel) == options.kernel


@pytest.mark.parametrize("content", [b"", b"\x7fELF", elf([load()], bits=32), b"MZ" + bytes(64)], ids=len)
def test_any_other_file_is_examined_first(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "kernel").write_bytes(content)

    assert (None, []) == started(tmp_path / "kernel")


@pytest.mark.parametrize("words", [("/dev/zero",), ("/nonexistent",), ("-i", "/dev/zero"), ("-i", "/nonexistent")])
def test_files_that_are_missing_or_not_regular_start_nothing(words: tuple[str, ...]) -> None:
    assert (None, []) == started(*words)


def test_a_kernel_that_is_rejected_after_qemu_has_started_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(elf([load()]))
    with shell.running("check", tmp_path / "kernel", folder=tmp_path) as process:
        _, error = process.communicate(timeout=shell.PATIENCE)

    assert 1 == process.returncode
    assert error.startswith(b"pvhdbg: error: ")
    assert {} == shell.started_in(tmp_path)
    assert ["kernel"] == [path.name for path in tmp_path.iterdir()]


def test_a_missing_qemu_is_reported_only_for_a_kernel_that_can_boot(tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(elf([load()]))

    assert 1 == pvhdbg("dump", tmp_path / "kernel", "--qemu", "/nonexistent").status
    assert 3 == pvhdbg("dump", "--qemu", "/nonexistent").status
