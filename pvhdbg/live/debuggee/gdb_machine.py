"""A machine that is reached through gdb."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.live.debuggee.machine import Child, Machine
from pvhdbg.live.debuggee.physical_symbols import PhysicalSymbols

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from pvhdbg.live.gdb.mi_client import MiClient
    from pvhdbg.live.gdb.process import GdbOptions, GdbProcess
    from pvhdbg.live.qemu.end_detection import EndDetector
    from pvhdbg.target.stub import StubRunner, StubTarget

_SETTINGS = ("mi-async on", "confirm off", "pagination off", "height 0", "width 0")


class GdbMachine(Machine):
    """A running gdb, and the machine that it is connected to."""

    target: StubTarget
    runner: StubRunner

    def __init__(self, gdb: GdbOptions | None = None) -> None:
        self._options = gdb
        self._gdb: MiClient | None = None
        self._process: GdbProcess | None = None
        self.physical_symbols = PhysicalSymbols()
        super().__init__()

    def _start(self) -> None:
        from pvhdbg.live.gdb.process import GdbOptions, GdbProcess

        self._process = GdbProcess(self._options or GdbOptions(), self.folder, self.watcher.group)

    @property
    def has_gdb(self) -> bool:
        """Whether gdb was started."""
        return self._process is not None

    @property
    def is_with_gdb(self) -> bool:
        """Whether gdb is connected to the machine, or was."""
        return True

    def take_over(self) -> bool:
        """Let gdb take the machine over, with a new `target` and a new `runner`. Return False if gdb has it already.

        :raise MachineError: if gdb can't start on this computer.
        """
        return False

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

    def wait_stop(self, detector: EndDetector | None) -> str | None:
        """Wait until the guest stops. If it ends before, stop it, and return PANICKED or HALTED; otherwise None.

        :raise NotConnected: if gdb has exited.
        """
        if detector is None:
            self.gdb.wait_stop(None)
            return None
        if (ended := detector.wait_stop(self.gdb.wait_stop)) is not None:
            with self.gdb.suppress_output():
                self.runner.stop()
        return ended

    def _children(self) -> Sequence[Child]:
        return (*super()._children(), *([_Gdb(self._process, self._gdb)] if self._process else []))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if kind is None and self._process is not None:
            self._process.check_log()


class _Gdb:
    """gdb's process, and the client that reads its output; None before its first use."""

    def __init__(self, process: GdbProcess, client: MiClient | None) -> None:
        self._process = process
        self._client = client

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        self._process.close()
