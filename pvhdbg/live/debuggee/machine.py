"""What every live machine has: a gdb, a private folder, and a watcher that cleans up both if pvhdbg is killed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.live.gdb.process import GdbOptions, GdbProcess
from pvhdbg.live.system import folder
from pvhdbg.live.system.watcher import Watcher

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from pvhdbg.live.gdb.mi_client import MiClient
    from pvhdbg.live.qemu.process import Qemu
    from pvhdbg.target.gdb_mi import MiTarget
    from pvhdbg.target.mi_runner import MiRunner

_SETTINGS = ("mi-async on", "confirm off", "pagination off", "height 0", "width 0")


class Machine:
    """A running gdb, and the machine that it is connected to. `target` and `runner` exist once it is connected.

    `qemu` is None for a machine that pvhdbg did not start. `close` removes `folder` with everything in it.
    """

    target: MiTarget
    runner: MiRunner

    def __init__(self, gdb: GdbOptions | None = None) -> None:
        self.qemu: Qemu | None = None
        self._gdb: MiClient | None = None
        self._process: GdbProcess | None = None
        self.folder = folder.choose()
        self.watcher = Watcher(self.folder)
        try:
            folder.make(self.folder)
            self._process = GdbProcess(gdb or GdbOptions(), self.folder, self.watcher.group)
        except BaseException:
            self.close()
            raise

    @property
    def gdb(self) -> MiClient:
        """The MI client, created on first use: gdb starts before anything else is imported."""
        if self._gdb is None:
            from pvhdbg.live.gdb.mi_client import MiClient

            assert self._process is not None  # noqa: S101  set in the constructor
            self._gdb = MiClient(self._process)
            for setting in _SETTINGS:
                self._gdb.send(f"-gdb-set {setting}")
        return self._gdb

    def kill(self) -> None:
        """Kill gdb, and QEMU if pvhdbg started it, without waiting, so that `close` has less to wait for."""
        for process in (self.qemu, self._process):
            if process is not None:
                process.kill()

    def close(self) -> None:
        """End all processes and remove the folder. The guest's serial output can still be read afterwards."""
        self.kill()
        with suppress(OSError):  # tried again below, when the processes hold no files any more
            folder.remove(self.folder)
        self.watcher.end()
        for part in (self.qemu, self._gdb, self._process):
            if part is not None:
                part.close()
        folder.remove(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None and self._process is not None:
            self._process.check_log()
