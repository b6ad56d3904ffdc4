"""QEMU as a child process: its stub and its monitor on UNIX sockets, its serial console on a pipe."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
from contextlib import ExitStack, suppress
from functools import cached_property
from io import FileIO
from typing import TYPE_CHECKING

from pvhdbg.live.qemu import snapshot_file, working_folder
from pvhdbg.live.qemu.options import Channels, QemuOptions, command_line
from pvhdbg.live.qemu.serial import Serial
from pvhdbg.live.system import exit_report
from pvhdbg.live.system.folder import has_room
from pvhdbg.live.system.os_errors import os_errors_as_machine_errors
from pvhdbg.live.system.programs import QEMU
from pvhdbg.target.base import DIED, QEMU_EXIT, QEMU_SIGNAL, Halt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pvhdbg.live.qemu.events import Events
    from pvhdbg.live.qemu.snapshots import Snapshots
    from pvhdbg.target.stub import XenReport


ROOM_FOR_SNAPSHOTS = 256 << 20
"""How many bytes must be free before QEMU is started with snapshots, and before each snapshot."""


def why_no_room(folder: Path) -> str | None:
    """Return why the folder can't hold snapshots; None if it can. A limit on the size of files would kill QEMU."""
    if resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY:
        return "the size of files is limited (`ulimit -f`)"
    if not has_room(folder, ROOM_FOR_SNAPSHOTS):
        return f"{folder.parent} has less than {ROOM_FOR_SNAPSHOTS >> 20} MiB of free space"
    return None


class Qemu:
    """A running QEMU. Its guest is stopped before the first instruction.

    The sockets listen before QEMU starts, so a client can connect to `gdb_path` at once, without polling.
    """

    def __init__(self, options: QemuOptions, folder: Path, group: int) -> None:
        options = options._replace(no_snapshots=options.no_snapshots or why_no_room(folder))
        self.options = options
        self._folder = folder
        self.gdb_path = folder / "gdb"
        self._qmp_path = folder / "qmp"
        self._stderr = folder / "qemu.stderr"
        self._events: Events | None = None
        with os_errors_as_machine_errors("can't create QEMU's sockets and pipe"), ExitStack() as on_failure:
            ours, theirs = map(FileIO, os.pipe(), ("rb", "wb"))
            on_failure.callback(ours.close)
            on_failure.callback(self._remove_sockets)
            self._snapshot_file = None if options.no_snapshots else snapshot_file.create(folder)
            on_failure.callback(self._close_snapshot_file)
            with theirs, _listening(self.gdb_path) as gdb, _listening(self._qmp_path) as qmp:
                channels = Channels(gdb.fileno(), qmp.fileno(), theirs.fileno())
                cwd = working_folder.choose(options, folder)
                self.argv = command_line(working_folder.with_absolute_paths(options) if cwd else options, channels)
                self._process = self._start(channels, group, cwd)
                on_failure.callback(self._process.kill)
            self.serial = Serial(ours)
            on_failure.pop_all()

    def _start(self, channels: Channels, group: int, cwd: Path | None) -> subprocess.Popen[bytes]:
        writing, starting = (
            os_errors_as_machine_errors(f"can't write {self._stderr}"),
            os_errors_as_machine_errors(f"can't start {self.options.binary}", QEMU.hint(self.options.binary)),
        )
        with writing, self._stderr.open("wb") as stderr, starting:
            return subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                cwd=cwd,
                pass_fds=[*channels, *([self._snapshot_file.fileno()] if self._snapshot_file else [])],
                process_group=group,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """QEMU's exit status: None while QEMU runs, and negative if a signal killed it."""
        return self._process.poll()

    def last_error(self) -> str:
        """Return the last error message that QEMU printed; empty if there is none."""
        return exit_report.last_error(self._stderr)

    def find_error_line(self, words: str) -> str:
        """Return the last line of QEMU's error output that contains `words`; empty if no line does."""
        return exit_report.find_error_line(self._stderr, words)

    def status(self) -> str | None:
        """Return QMP's run state, such as `paused`, `shutdown` or `internal-error`. None if QEMU does not answer."""
        from pvhdbg.live.qemu import qmp

        self._close_events()
        try:
            return str(qmp.ask(self._qmp_path, "query-status")["status"])
        except OSError:
            return None

    def note_shutdown(self) -> None:
        """From now on, note why QEMU shuts down, for `shutdown_reason`."""
        from pvhdbg.live.qemu.events import Events

        with suppress(OSError):  # QEMU is gone, which is noticed elsewhere
            self._events = Events(self._qmp_path)

    def shutdown_reason(self) -> str | None:
        """Return QEMU's reason if it has shut down since `note_shutdown`; None if it is not known."""
        if self._events is None:
            return None
        reason = self._events.shutdown_reason()
        self._close_events()
        return reason

    def _close_events(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None

    def stop(self) -> bool:
        """Stop the guest, no matter what resumed it. Return False if QEMU does not answer."""
        from pvhdbg.live.qemu import qmp

        self._close_events()
        try:
            qmp.ask(self._qmp_path, "stop")
        except OSError:
            return False
        return True

    def monitor(self, commands: Sequence[str]) -> list[str] | None:
        """Return the monitor's answers to commands, also while the guest runs. None if QEMU does not answer."""
        from pvhdbg.live.qemu import qmp

        self._close_events()
        try:
            return qmp.monitor(self._qmp_path, commands)
        except OSError:
            return None

    @cached_property
    def snapshots(self) -> Snapshots:
        """The snapshots of the machine. Do not use them if `options.no_snapshots` has a reason why there are none."""
        from pvhdbg.live.qemu.snapshots import Snapshots

        assert self._snapshot_file is not None  # noqa: S101  see above
        return Snapshots(self._qmp_path, self._snapshot_file)

    def death(self, timeout: float = 0.0) -> Halt | None:
        """Wait up to `timeout` seconds for QEMU to end, and return how it ended. None if it still runs."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        code = self._process.returncode
        if code is None:
            return None
        error = self.last_error()
        message = f"QEMU {exit_report.describe_exit(code)}" + (f": {error}" if error else "")
        return Halt(DIED, None, QEMU_SIGNAL if code < 0 else QEMU_EXIT, message)

    @property
    def runs_xen(self) -> bool:
        """Whether Xen starts the guest."""
        return self.options.xen is not None

    def xen_report(self) -> XenReport | None:
        """Return what Xen has printed about the end of its guest; None if it has printed nothing, or without Xen."""
        if not self.runs_xen:
            return None
        from pvhdbg.live.qemu import xen

        return xen.report(self.serial.complete())

    def kill(self) -> None:
        """Kill QEMU without waiting for it to exit."""
        self._process.kill()

    def close(self) -> None:
        """Kill QEMU, wait for it to exit, read the rest of the serial console and delete the sockets."""
        self.kill()
        self._process.wait()
        self.serial.close()
        self._close_events()
        self._close_snapshot_file()
        self._remove_sockets()

    def _close_snapshot_file(self) -> None:
        if self._snapshot_file is not None:
            self._snapshot_file.close()

    def _remove_sockets(self) -> None:
        for path in (self.gdb_path, self._qmp_path):
            path.unlink(missing_ok=True)


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(listener.fileno(), 0o600)  # Linux gives the file this mode
        listener.bind(str(path))
        listener.listen(1)
    except BaseException:
        listener.close()
        raise
    return listener
