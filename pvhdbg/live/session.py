"""QEMU and gdb together: both started at once, both gone when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.errors import MachineError, NotConnected, PvhdbgError, TargetError
from pvhdbg.live import folder
from pvhdbg.live.gdb_process import GdbOptions, GdbProcess
from pvhdbg.live.watcher import Watcher

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from pvhdbg.live.mi_client import MiClient, Pending
    from pvhdbg.live.qemu import Qemu
    from pvhdbg.live.qemu_options import QemuOptions
    from pvhdbg.target.gdb_mi import MiTarget, Symbols
    from pvhdbg.target.mi_runner import MiRunner

_ENDS_WITHIN = 3.0
_SETTINGS = (
    "mi-async on",
    "confirm off",
    "pagination off",
    "height 0",
    "width 0",
    # QEMU may still be loading the kernel when gdb says its first word.
    "remotetimeout 60",
)


class Session:
    """A gdb, and after `boot` a QEMU whose guest stands at the reset vector.

    gdb takes longest to start, so it does from the constructor on; `boot` starts QEMU beside it and waits for nothing;
    `wait_ready` waits for both, and must come before the first question to `target` or `runner`.
    """

    target: MiTarget
    runner: MiRunner

    def __init__(self, gdb: GdbOptions | None = None) -> None:
        self.qemu: Qemu | None = None
        self._gdb: MiClient | None = None
        self._process: GdbProcess | None = None
        self._connecting: Pending | None = None
        self._folder = folder.choose()
        self._watcher = Watcher(self._folder)
        try:
            folder.make(self._folder)
            self._process = GdbProcess(gdb or GdbOptions(), self._folder, self._watcher.group)
        except BaseException:
            self.close()
            raise

    @property
    def gdb(self) -> MiClient:
        """The MI client, made when it is first needed: its parser takes a while to import, while gdb and QEMU start."""
        if self._gdb is None:
            from pvhdbg.live.mi_client import MiClient

            assert self._process is not None  # noqa: S101 - made in the constructor
            self._gdb = MiClient(self._process)
            for setting in _SETTINGS:
                self._gdb.send(f"-gdb-set {setting}")
        return self._gdb

    @property
    def watcher(self) -> Watcher:
        """Tell it how to give the terminal back."""
        return self._watcher

    def boot(self, options: QemuOptions, symbols: Symbols | None = None) -> None:
        """Start QEMU, and let gdb connect to it as soon as both can.

        :raise UserError: for an argument that would let QEMU escape us.
        :raise MachineError: if QEMU is not there.
        """
        from pvhdbg.live.qemu import Qemu

        self.qemu = Qemu(options, self._folder, self._watcher.group)
        self._connect(self.qemu, symbols)

    def _connect(self, qemu: Qemu, symbols: Symbols | None) -> None:
        from pvhdbg.target.gdb_mi import MiTarget
        from pvhdbg.target.mi import in_console
        from pvhdbg.target.mi_runner import MiRunner

        self._connecting = self.gdb.send(f"-target-select remote {qemu.gdb_path}")
        self.gdb.send(in_console("maint packet Qqemu.PhyMemMode:0"))
        self.target = MiTarget(self.gdb, symbols)
        self.runner = MiRunner(self.gdb, self.target, qemu)

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until the guest can be asked and run; `timeout` is in seconds.

        :raise GuestError: if QEMU refuses the kernel.
        :raise UserError: if it refuses an argument.
        :raise MachineError: if it can't start here, or gdb can't.
        """
        if self._connecting is not None:
            try:
                self.gdb.wait(self._connecting, timeout)
            except TargetError as error:
                raise self._start_failure(error) from error

    def _start_failure(self, error: TargetError) -> PvhdbgError:
        from pvhdbg.live import launch

        if self.qemu is not None and self.qemu.death(_ENDS_WITHIN) is not None:
            return launch.refusal(self.qemu.options, self.qemu.returncode or 0, self.qemu.last_words())
        if isinstance(error, NotConnected):
            return launch.silence(self.gdb.process.options.binary, str(error))
        return MachineError(f"gdb can't connect to QEMU: {error}")

    def kill(self) -> None:
        """End QEMU and gdb without waiting: `close` then has less to wait for."""
        for each in (self.qemu, self._process):
            if each is not None:
                each.kill()

    def close(self) -> None:
        """End everything and leave nothing. What the guest wrote can still be read."""
        self.kill()
        for each in (self.qemu, self._gdb, self._process):
            if each is not None:
                each.close()
        folder.remove(self._folder)
        self._watcher.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
