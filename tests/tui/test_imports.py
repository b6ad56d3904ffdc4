"""What the screen imports before its first picture, and before it starts QEMU.

Importing is most of the CPU time that pvhdbg itself needs up to the first picture, and QEMU needs most of the rest.
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PICTURE = "pvhdbg.state_files"
"""The first module that the screen's thread imports when the picture is on the screen."""
CAPTURED = "start gdb"
"""What the machine's thread does when QEMU has loaded the kernel. The rest may run while the screen is drawn."""
AFTER_PICTURE = (
    *("ast", "bz2", "copy", "json", "lzma", "shlex", "shutil", "weakref"),
    *("capstone", "elftools", "prompt_toolkit", "pygdbmi", "qemu"),
    *(
        "pvhdbg.boot.handover.apply",
        "pvhdbg.boot.log",
        "pvhdbg.boot.model",
        "pvhdbg.checks.rules",
        "pvhdbg.checks.run",
        "pvhdbg.state_files",
        "pvhdbg.teaching",
    ),
    *("pvhdbg.tui.draw.popups.box", "pvhdbg.tui.draw.popups.palette", "pvhdbg.tui.draw.popups.panel"),
    *("pvhdbg.tui.draw.tour.card", "pvhdbg.tui.events.update", "pvhdbg.tui.machine.log_reader"),
    *("pvhdbg.views.explain.glossary", "pvhdbg.views.explain.instructions", "pvhdbg.vmm_profiles.cpu_state"),
)
AFTER_QEMU = (
    *("pvhdbg.image", "pvhdbg.boot.session", "pvhdbg.live.stub", "pvhdbg.target.rsp", "pvhdbg.live.back"),
    *("pvhdbg.tui.app.first_picture", "pvhdbg.tui.draw", "pvhdbg.tui.machine.worker", "pvhdbg.views"),
)
HOOK = """
import os, sys, threading
_log = open(os.environ["IMPORT_LOG"], "x", buffering=1)
def _hook(event, arguments):
    thread = "screen" if threading.current_thread() is threading.main_thread() else "machine"
    if event == "import":
        print(thread, arguments[0], file=_log)
    elif event == "subprocess.Popen":
        print(thread, "start", os.path.basename(arguments[0]), file=_log)
sys.addaudithook(_hook)
"""
"""As `sitecustomize`, it logs each module that is imported, and each program that is started, with the thread."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Return what a screen over the teaching guest imports and starts, with the thread, up to prompt_toolkit."""
    folder = tmp_path_factory.mktemp("hook")
    (folder / "sitecustomize.py").write_text(HOOK)
    path = folder / "log"
    paths = os.pathsep.join((str(folder), str(ROOT)))
    _show({**os.environ, "PYTHONPATH": paths, "IMPORT_LOG": str(path), "TERM": "xterm-256color"}, path)
    words = (line.partition(" ") for line in path.read_text().splitlines())
    return [(thread, name) for thread, _, name in words]


def _show(environment: dict[str, str], log: Path) -> None:
    """Show the screen until it imports prompt_toolkit."""
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        os.execve(sys.executable, [sys.executable, "-m", "pvhdbg"], environment)
    while "screen prompt_toolkit.application" not in (log.read_text() if log.exists() else ""):
        os.read(terminal, 65536)
    os.kill(process, signal.SIGTERM)
    with suppress(OSError):
        while os.read(terminal, 65536):
            pass
    os.waitpid(process, 0)
    os.close(terminal)


def test_modules_that_the_first_picture_does_not_need_are_imported_after_it(log: list[tuple[str, str]]) -> None:
    screen = [name for thread, name in log if thread == "screen"]
    machine = [name for thread, name in log if thread == "machine"]
    before = screen[: screen.index(PICTURE)] + machine[: machine.index(CAPTURED)]

    assert "pvhdbg.tui.draw.frame" in before
    assert [] == [name for name in before if _is_in(name, AFTER_PICTURE)]


def test_qemu_is_started_before_the_screen_and_the_kernel_file_are_imported(log: list[tuple[str, str]]) -> None:
    names = [name for _, name in log]
    before = names[: names.index("start qemu-system-x86_64")]

    assert [] == [name for name in before if _is_in(name, AFTER_QEMU)]
    assert any(_is_in(name, AFTER_QEMU) for name in names)


def _is_in(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)
