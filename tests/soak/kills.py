"""Kill pvhdbg, gdb or QEMU at a random moment. Afterwards no process, file or changed terminal setting may be left."""

from __future__ import annotations

import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from pvhdbg import guest
from tests import kernels, tiny
from tests.cli import shell
from tests.in_gdb import stock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DUMP, SCREEN, BACK, ATTACH, GDB, WHO = "dump", "screen", "back and forth", "attach", "pvh in gdb", "who"
XEN_DUMP, XEN_CHECK, XEN_SCREEN = ON_XEN = ("dump --xen", "check --xen", "screen --xen")
CLOSE, ORPHAN, STOP = "closed terminal", "dead parent", "SIGSTOP, then TERM"
_PRIVATE_QEMU = "private QEMU"
PROGRAMS = {
    DUMP: ("pvhdbg", "QEMU"),
    SCREEN: ("pvhdbg", "gdb", "QEMU"),
    BACK: ("pvhdbg", "gdb", "QEMU"),
    ATTACH: ("pvhdbg", "gdb", "QEMU"),
    GDB: ("pvhdbg", "QEMU"),
    WHO: ("pvhdbg", "QEMU", _PRIVATE_QEMU),
    XEN_DUMP: ("pvhdbg", "QEMU"),
    XEN_CHECK: ("pvhdbg", "QEMU"),
    XEN_SCREEN: ("pvhdbg", "gdb", "QEMU"),
}
"""What is run, and what of it can be killed. Inside gdb, pvhdbg is gdb."""
WITHOUT_XEN = tuple(name for name in PROGRAMS if name not in ON_XEN)
SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM, "INT": signal.SIGINT, "HUP": signal.SIGHUP}
LATEST, LATEST_BACK, LATEST_WHO, LATEST_XEN = 2.5, 8.0, 1.0, 6.0
"""Seconds after the start. On an idle machine the guest runs after one second, and goes back after two; Xen needs four.

For `who`, seconds after the start of the second QEMU. It runs for a second or more.
"""
KEYS = {"F6": b"\x1b[17~", "F7": b"\x1b[18~", "F8": b"\x1b[19~", "F11": b"\x1b[23~"}
"""Keys that run the guest forward, and that load snapshots."""
ON_SCREEN = (SCREEN, BACK, XEN_SCREEN)
END_TIMEOUT, CLEANUP_TIMEOUT = 40, 20


class Kill(NamedTuple):
    """One experiment: which program runs, what is killed and how, and when, in seconds after the start."""

    program: str
    victim: str
    how: str
    moment: float


def kills(seed: int, count: int, programs: Sequence[str] = WITHOUT_XEN) -> list[Kill]:
    """Return random experiments, the same for the same seed."""
    choice = random.Random(seed)
    return [_random_kill(choice, programs) for _ in range(count)]


def _random_kill(choice: random.Random, programs: Sequence[str]) -> Kill:
    program = choice.choice(programs)
    victim = choice.choice(PROGRAMS[program])
    ways = ["KILL"] if victim == "gdb" else ["KILL", STOP] if victim.endswith("QEMU") else [*SIGNALS, ORPHAN]
    if program in ON_SCREEN and victim == "pvhdbg":
        ways.append(CLOSE)
    latest = {BACK: LATEST_BACK, WHO: LATEST_WHO, **dict.fromkeys(ON_XEN, LATEST_XEN)}.get(program, LATEST)
    return Kill(program, victim, choice.choice(ways), choice.uniform(0, latest))


def run(kill: Kill) -> list[str]:
    """Do the experiment. Return what is wrong afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    outside = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        kernel = outside / "kernel.elf"
        kernel.write_bytes(tiny.waiting())
        with _stub(kill.program, outside, kernel) as where, Program(kill.program, where, kernel, folder) as program:
            if kill.program == WHO:
                _wait_for_private_boot(folder, program)
            time.sleep(kill.moment)
            _kill(kill, program, folder)
            problems = program.end()
        return [*problems, *_left(folder)]
    finally:
        for path in (folder, outside):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _stub(program: str, folder: Path, kernel: Path) -> Iterator[str]:
    """Run a QEMU that pvhdbg did not start, if the program attaches to one."""
    if program not in (ATTACH, GDB):
        yield ""
        return
    with stock.qemu(folder, kernel, *stock.TCG) as machine:
        yield machine.where


class Program:
    """The running program, on a terminal of its own if it draws the screen."""

    def __init__(self, name: str, where: str, kernel: Path, folder: Path) -> None:
        self.name = name
        self._master, self._slave = pty.openpty()
        self._before = termios.tcgetattr(self._slave)
        stream = self._slave if name in ON_SCREEN else subprocess.DEVNULL
        # The shell is the parent that a "dead parent" loses; it starts no other process.
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", '"$@" & wait', "sh", *_command(name, where, kernel)],
            env={**os.environ, "TMPDIR": str(folder), "XDG_RUNTIME_DIR": str(folder), "TERM": "xterm-256color"},
            stdin=stream,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()
        if name == BACK:
            threading.Thread(target=self._press_keys, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for descriptor in (self._master, self._slave):
            with suppress(OSError):
                os.close(descriptor)

    def _drain(self) -> None:
        with suppress(OSError):
            while os.read(self._master, 65536):
                pass

    def _press_keys(self) -> None:
        """Run the guest back and forth; a pause after some keys leaves time for a snapshot."""
        choice = random.Random(self.process.pid)
        with suppress(OSError):
            while self._master >= 0 and self.process.poll() is None:
                os.write(self._master, KEYS[choice.choice(list(KEYS))])
                time.sleep(choice.uniform(0.05, 0.6))

    def close_terminal(self) -> None:
        """Close both ends that this process holds."""
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1

    def end(self) -> list[str]:
        """Wait until the program has ended, after a TERM if it survived the loss. Return what is wrong."""
        problems: list[str] = []
        try:
            self.process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            problems.append(f"did not end within {END_TIMEOUT} s")
        if self.name in ON_SCREEN and self._slave >= 0 and termios.tcgetattr(self._slave) != self._before:
            with suppress(TimeoutError):
                shell.wait_for(lambda: termios.tcgetattr(self._slave) == self._before, 10)
                return problems
            problems.append("the terminal is not restored")
        return problems


def _command(name: str, where: str, kernel: Path) -> list[str]:
    pvhdbg = [sys.executable, "-m", "pvhdbg"]
    if name in ON_XEN:
        command = {XEN_DUMP: ["dump"], XEN_CHECK: ["check", str(guest.ELF)], XEN_SCREEN: [str(guest.ELF)]}[name]
        return [*pvhdbg, *command, "--xen-image", str(kernels.xen_hypervisor())]
    return {
        WHO: [*pvhdbg, "who", "e820_table"],
        DUMP: [*pvhdbg, "dump", str(kernel), "--timeout", "600"],
        SCREEN: [*pvhdbg, str(guest.ELF)],
        BACK: [*pvhdbg, str(guest.ELF)],
        ATTACH: [*pvhdbg, "attach", where, str(kernel), "--timeout", "600", "-c", "run-to prepare"],
        GDB: [
            *("gdb", "-nx", "-batch", str(kernel), "-ex", f"source {stock.SCRIPT}"),
            *("-ex", f"target remote {where}", "-ex", "pvh run-to prepare"),
        ],
    }[name]


def _wait_for_private_boot(folder: Path, program: Program) -> None:
    """Wait until `who` has started its second QEMU, or has ended."""
    with suppress(TimeoutError):
        shell.wait_for(lambda: _count_qemus(folder) > 1 or program.process.poll() is not None)


def _count_qemus(folder: Path) -> int:
    return sum(line.startswith("qemu") for line in shell.started_in(folder).values())


def _kill(kill: Kill, program: Program, folder: Path) -> None:
    victim = _find(kill.victim, kill.program, folder)
    if kill.how == CLOSE:
        program.close_terminal()
        return
    if kill.how == ORPHAN:
        program.process.kill()
    elif kill.how == STOP:
        _send(victim, signal.SIGSTOP)
        time.sleep(0.5)
    else:
        _send(victim, SIGNALS[kill.how])
    # An interrupt stops the guest, and the screen and gdb survive the loss of their machine: TERM ends them.
    time.sleep(0.3)
    _send(_find("pvhdbg", kill.program, folder), signal.SIGTERM)


def _send(pid: int | None, number: signal.Signals) -> None:
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _find(victim: str, program: str, folder: Path) -> int | None:
    """Return the pid of a process of the experiment; None if it does not run yet, or no longer."""
    start = {
        "pvhdbg": "gdb -nx -batch" if program == GDB else f"{sys.executable} -m pvhdbg",
        "gdb": "gdb ",
        "QEMU": "qemu",
        _PRIVATE_QEMU: "qemu",
    }
    lines = shell.started_in(folder)
    found = sorted(pid for pid, line in lines.items() if line.startswith(start[victim]))
    return next(iter(reversed(found) if victim == _PRIVATE_QEMU else found), None)


def _left(folder: Path) -> list[str]:
    try:
        shell.wait_for(lambda: not (shell.started_in(folder) or list(folder.iterdir())), CLEANUP_TIMEOUT)
    except TimeoutError:
        return [*shell.started_in(folder).values(), *map(str, folder.rglob("*"))]
    return []
