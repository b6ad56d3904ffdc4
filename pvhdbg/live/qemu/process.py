"""QEMU as a child: its stub and its monitor on UNIX sockets, its serial console on a pair of our own."""

from __future__ import annotations

import socket
import subprocess
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from pvhdbg.live.qemu.options import Channels, QemuOptions, command_line
from pvhdbg.live.qemu.serial import Serial
from pvhdbg.live.system import exit_report
from pvhdbg.live.system.os_errors import told
from pvhdbg.target.base import DIED, QEMU_EXIT, QEMU_SIGNAL, Halt

if TYPE_CHECKING:
    from pathlib import Path


class Qemu:
    """A running QEMU, its guest stopped before its first instruction.

    The sockets are bound and listen before QEMU starts, so a client may connect to `gdb_path` at once and never polls.
    """

    def __init__(self, options: QemuOptions, folder: Path, group: int) -> None:
        self.options = options
        self.gdb_path = folder / "gdb"
        self._qmp_path = folder / "qmp"
        self._stderr = folder / "qemu.stderr"
        with told("can't make QEMU's sockets"), ExitStack() as on_failure:
            ours, theirs = socket.socketpair()
            on_failure.callback(ours.close)
            with theirs, _listening(self.gdb_path) as gdb, _listening(self._qmp_path) as qmp:
                channels = Channels(gdb.fileno(), qmp.fileno(), theirs.fileno())
                self.argv = command_line(options, channels)
                self._process = self._start(channels, group)
                on_failure.callback(self._process.kill)
            self.serial = Serial(ours)
            on_failure.pop_all()

    def _start(self, channels: Channels, group: int) -> subprocess.Popen[bytes]:
        writing, starting = (
            told(f"can't write {self._stderr}"),
            told(f"can't start {self.options.binary}", "install the package qemu-system-x86"),
        )
        with writing, self._stderr.open("wb") as stderr, starting:
            return subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=channels,
                process_group=group,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Null while it runs, negative for a signal."""
        return self._process.poll()

    def last_words(self) -> str:
        return exit_report.last_words(self._stderr)

    def line_about(self, words: str) -> str:
        return exit_report.line_about(self._stderr, words)

    def status(self) -> str | None:
        """QMP's run state, such as `paused`, `shutdown` or `internal-error`; null if QEMU does not answer."""
        from pvhdbg.live.qemu import qmp

        try:
            return str(qmp.ask(self._qmp_path, "query-status")["status"])
        except OSError:
            return None

    def stop(self) -> bool:
        """Stop the guest, whatever started it. False if QEMU does not answer."""
        from pvhdbg.live.qemu import qmp

        try:
            qmp.ask(self._qmp_path, "stop")
        except OSError:
            return False
        return True

    def death(self, patience: float = 0.0) -> Halt | None:
        """How QEMU ended, or null if it still runs after `patience` seconds."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        code = self._process.returncode
        if code is None:
            return None
        words = self.last_words()
        message = f"QEMU was {exit_report.manner(code)}" if code < 0 else f"QEMU {exit_report.manner(code)}"
        return Halt(DIED, None, QEMU_SIGNAL if code < 0 else QEMU_EXIT, f"{message}: {words}" if words else message)

    def kill(self) -> None:
        """End it, without waiting for the end."""
        self._process.kill()

    def close(self) -> None:
        """End it and take what is left."""
        self.kill()
        self._process.wait()
        self.serial.close()
        for path in (self.gdb_path, self._qmp_path):
            path.unlink(missing_ok=True)


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        listener.listen(1)
    except BaseException:
        listener.close()
        raise
    return listener
