"""pvhdbg under a shell on a real terminal, which tmux provides. Each test has its own tmux server."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from tests.paths import ROOT

TIMEOUT = 120.0
PROMPT = "shell>"
SHELL = f"PS1='{PROMPT} ' exec bash --norc --noprofile"
PVHDBG = f"{sys.executable} -m pvhdbg"
LOOP = "set {short}$rip = 0xfeeb"
"""Typed at the prompt, it replaces the next instruction by a jump to itself: the guest then runs until it is stopped.
"""


class Shell:
    """A shell in tmux. The programs that it starts keep their sockets and state in `folder`."""

    def __init__(self, folder: Path, width: int, height: int) -> None:
        self.runtime = folder / "run"
        self.runtime.mkdir()
        socket = f"pvhdbg-test-{os.getpid()}-{os.urandom(4).hex()}"
        environment = {
            "TERM": "xterm-256color",
            "LC_ALL": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(self.runtime),
            "XDG_STATE_HOME": str(folder / "state"),
            "PYTHONPATH": str(ROOT),
        }
        settings = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
        size = ("-x", str(width), "-y", str(height))
        new = ("new-session", "-d", *size, *settings, "-c", str(folder), SHELL)
        subprocess.run(["tmux", "-L", socket, "-f", "/dev/null", *new], check=True, timeout=TIMEOUT)
        self._client = subprocess.Popen(
            ["tmux", "-L", socket, "-C", "attach-session", "-f", "no-output"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            bufsize=1,
        )
        self.tmux("set", "-g", "status", "off")
        self.wait(PROMPT)

    def tmux(self, *words: str) -> str:
        """Run a command of tmux, and return its output. One client runs all of them: a new process for each, for each
        look at the screen, would need more CPU time than the programs that are tested.
        """
        return ask(self._client, shlex.join(words))

    @property
    def text(self) -> str:
        return self.tmux("capture-pane", "-p")

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def keys(self, *names: str) -> None:
        """Press keys, by tmux's names."""
        self.tmux("send-keys", *names)

    def type(self, text: str, *keys: str) -> None:
        """Type text and press keys, by default Enter."""
        self.tmux("send-keys", "-l", text)
        self.keys(*(keys or ("Enter",)))

    def resize(self, width: int, height: int) -> None:
        self.tmux("resize-window", "-x", str(width), "-y", str(height))

    def variable(self, name: str) -> str:
        """Return one of tmux's variables, such as cursor_flag or alternate_on."""
        return self.tmux("display-message", "-p", f"#{{{name}}}").strip()

    def wait(self, words: str, timeout: float = TIMEOUT) -> str:
        """Wait until the words are on the screen, and return its text."""
        return self.until(lambda text: words in text, f"{words!r} is not on the screen", timeout)

    def wait_gone(self, words: str) -> str:
        return self.until(lambda text: words not in text, f"{words!r} is still on the screen")

    def until(self, holds: Callable[[str], bool], otherwise: str = "timed out", timeout: float = TIMEOUT) -> str:
        end = time.monotonic() + timeout
        while not (done := holds(text := self.text)) and time.monotonic() < end:
            time.sleep(0.02)
        assert done, f"{otherwise}:\n{text}"
        return self._drawn(text, holds)

    def _drawn(self, text: str, holds: Callable[[str], bool]) -> str:
        """Return the text of the screen when it stops changing: a program may have drawn only a part of a picture."""
        for _ in range(10):
            time.sleep(0.04)
            text, before = self.text, text
            if text == before or not holds(text):
                return before
        return text

    def answer(self, command: str) -> str:
        """Run a command in the shell and return its output."""
        mark = os.urandom(4).hex()
        self.type(f"clear; echo {mark[:4]}''{mark[4:]}; {command}; echo {mark[4:]}''{mark[:4]}")
        text = self.wait(f"{mark[4:]}{mark[:4]}\n")
        return text.partition(mark)[2].partition(f"{mark[4:]}{mark[:4]}")[0].strip()

    def start(self, *words: str) -> None:
        """Start pvhdbg."""
        self.type(f"{PVHDBG} {' '.join(words)}")

    def status(self) -> str:
        """Return the exit status of the last command. It must have ended."""
        self.type("echo status=$?")
        text = self.until(lambda text: "status=" in text.replace("status=$?", ""))
        return text.replace("status=$?", "").rpartition("status=")[2].split()[0]

    def pid(self) -> int:
        """Return the pid of the process that the shell runs in the foreground."""
        shell = self.variable("pane_pid")
        children = Path(f"/proc/{shell}/task/{shell}/children").read_text("ascii").split()
        return int(children[0])

    def qemu(self) -> int:
        """Return the pid of the QEMU that pvhdbg has started here."""
        return self._child("qemu-system")

    def gdb(self) -> int:
        """Return the pid of the gdb that pvhdbg has started here."""
        return self._child("gdb")

    def _child(self, name: str) -> int:
        return self.children(name)[0]

    def children(self, name: str) -> list[int]:
        """Return the pids of the programs with this name that pvhdbg has started here."""
        variable = f"XDG_RUNTIME_DIR={self.runtime}"
        return [
            int(process.name)
            for process in Path("/proc").glob("[0-9]*")
            if _is_program(process, name) and variable in _read(process / "environ")
        ]

    def leftovers(self) -> list[str]:
        """Wait until pvhdbg has cleaned up. Return the files that remain, and the processes that use one of them."""
        end = time.monotonic() + TIMEOUT
        while left := [*map(str, self.runtime.iterdir()), *self._processes()]:
            if time.monotonic() > end:
                return left
            time.sleep(0.02)
        return []

    def _processes(self) -> list[str]:
        processes = map(_describe, Path("/proc").glob("[0-9]*"))
        return [process for process in processes if f"{self.runtime}/" in process]

    def end(self) -> None:
        """End the server, and wait for the client, which then ends, too."""
        self._client.communicate("kill-server\n", timeout=TIMEOUT)


def ask(client: subprocess.Popen[str], command: str) -> str:
    """Send a command to a client of tmux in control mode, and return its output."""
    commands, answers = cast("IO[str]", client.stdin), cast("IO[str]", client.stdout)
    commands.write(f"{command}\n")
    lines: list[str] | None = None
    numbers = ""
    for line in answers:
        if lines is None and line.startswith("%begin ") and line.endswith(" 1\n"):  # 1: a command of this client
            lines, numbers = [], line.removeprefix("%begin ")
        elif lines is not None and line == f"%end {numbers}":
            return "".join(lines)
        elif lines is not None:
            assert line != f"%error {numbers}", (command, lines)
            lines.append(line)
    raise AssertionError(f"tmux has ended: {command}")


def _is_program(process: Path, name: str) -> bool:
    return _read(process / "cmdline").startswith(name)


def _read(path: Path) -> str:
    """Return a file's text; empty if the process has ended."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _describe(process: Path) -> str:
    """Return a process's command line and its open files; empty if it has ended."""
    try:
        links = [str(link.readlink()) for link in (process / "fd").iterdir()]
        return (process / "cmdline").read_text(errors="replace") + " ".join(links)
    except OSError:
        return ""


Start = Callable[..., Shell]
"""Starts pvhdbg with these options, on a terminal of this `size`, and waits for the first stop and the symbols."""


def quit_by(shell: Shell, *keys: str) -> None:
    """Press the keys, then quit and confirm."""
    shell.keys(*keys, "C-q")
    shell.wait("Quit?")
    shell.keys("y")
    shell.wait(PROMPT)


@contextmanager
def shell(folder: Path, size: tuple[int, int] = (100, 32)) -> Iterator[Shell]:
    started = Shell(folder, *size)
    try:
        yield started
    finally:
        started.end()
