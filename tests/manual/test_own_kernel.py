"""The page "Write your own PVH kernel in 100 lines": its files are taken from the page, built and booted as it says."""

from __future__ import annotations

import re
import shlex
import subprocess
import textwrap
from typing import TYPE_CHECKING

import pytest

from pvhdbg.cli.command.manual import PAGES_DIR
from pvhdbg.image.debug_info.symbols import Symbols
from pvhdbg.image.facts import read_facts
from tests.guest.machine import qemu, serial, wait_for

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (PAGES_DIR / "own-kernel.md").read_text(encoding="utf-8")
BLOCKS = [textwrap.dedent(block) for block in re.findall(r"(?:^(?:    .*)?\n)+", PAGE, re.MULTILINE) if block.strip()]
MOST_LINES = 100


def block(beginning: str) -> str:
    """Return the block of code that begins with these words."""
    return next(text.strip("\n") + "\n" for text in BLOCKS if text.strip().startswith(beginning))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the kernels of the page, built with the commands of the page."""
    folder = tmp_path_factory.mktemp("own")
    halt, letter = block(".section .note.Xen"), block("mov $0x3f8, %dx")
    loop = re.search(r"^start:\n(.*\n.*jmp start\n)", halt, re.MULTILINE)
    assert loop is not None
    files = {
        "halt.S": halt,
        "letter.S": halt.replace(loop[1], letter),
        "kernel.S": block("/* The ELF note"),
        "main.c": block("typedef"),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    for command in re.findall(r"^    ((?:gcc|ld) .*)$", PAGE, re.MULTILINE):
        done = subprocess.run(shlex.split(command), cwd=folder, check=False, capture_output=True, text=True)
        assert (0, "") == (done.returncode, done.stderr), command
    return folder


def console(folder: Path, tmp_path: Path, name: str, last: str) -> str:
    """Boot a kernel until its last words. Return what it printed."""
    with qemu(tmp_path, "-M", "microvm", "-kernel", str(folder / name), "-append", "hello world") as process:
        wait_for(lambda: last in "\n".join(serial(tmp_path)) or process.poll() is not None)
    return "\n".join(serial(tmp_path))


def test_the_kernel_has_at_most_100_lines(built: Path) -> None:
    lines = [line for name in ("kernel.S", "main.c") for line in (built / name).read_text("utf-8").splitlines()]

    assert len(lines) <= MOST_LINES


@pytest.mark.parametrize("name", ["halt", "letter", "kernel"])
def test_the_note_names_the_first_instruction(built: Path, name: str) -> None:
    path = str(built / f"{name}.elf")

    assert Symbols(path).address("start") == read_facts(path).entry


def test_the_second_kernel_prints_its_letter(built: Path, tmp_path: Path) -> None:
    assert "A" == console(built, tmp_path, "letter.elf", "A")


def test_the_last_kernel_prints_its_boot_data(built: Path, tmp_path: Path) -> None:
    lines = console(built, tmp_path, "kernel.elf", "0x0000000000100000 + ").splitlines()

    assert "My kernel. Magic: 0x00000000336ec578" == lines[0]
    assert "Command line: hello world" == lines[1]
    assert "0x0000000000000000 + 0x000000000009fc00 RAM" == lines[3]
