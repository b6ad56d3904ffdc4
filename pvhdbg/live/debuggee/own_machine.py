"""The machine that pvhdbg starts: QEMU and gdb as child processes."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.errors import NotConnected, PvhdbgError, TargetError
from pvhdbg.live.debuggee.gdb_machine import GdbMachine

if TYPE_CHECKING:
    from pvhdbg.live.gdb.mi_client import Pending
    from pvhdbg.live.gdb.process import GdbOptions
    from pvhdbg.live.qemu.options import QemuOptions
    from pvhdbg.live.qemu.process import Qemu
    from pvhdbg.target.base import Symbols

_EXIT_TIMEOUT = 3.0
_INTERRUPT_TIMEOUT = 0.5
# QEMU may still be loading the kernel when gdb sends its first packet.
_LONG_TIMEOUT = "-gdb-set remotetimeout 60"


class OwnMachine(GdbMachine):
    """A gdb and, after `boot`, a QEMU whose guest is at the reset vector.

    gdb takes longest to start, so the constructor starts it. `boot` starts QEMU in parallel and does not wait.
    `wait_ready` waits for both; call it before using `target` or `runner`.
    """

    def __init__(self, gdb: GdbOptions | None = None) -> None:
        self._connecting: Pending | None = None
        super().__init__(gdb)

    def boot(self, options: QemuOptions, symbols: Symbols | None = None) -> None:
        """Start QEMU, and tell gdb to connect as soon as it can. End the previous QEMU; gdb keeps its breakpoints.

        :raise UserError: for a QEMU argument that would let QEMU outlive pvhdbg.
        :raise MachineError: if QEMU is not installed.
        """
        if self.qemu is not None:
            self._end(self.qemu)
        self.qemu = self._start_qemu(options)
        self._connect(self.qemu)
        self._use_gdb(self.qemu, symbols)

    def _start_qemu(self, options: QemuOptions) -> Qemu:
        from pvhdbg.live.qemu.process import Qemu

        return Qemu(options, self.folder, self.watcher.group)

    def _use_gdb(self, qemu: Qemu, symbols: Symbols | None) -> None:
        """Reach the machine through gdb. These imports run while QEMU, gdb or both start."""
        from pvhdbg.target.mi.gdb_mi import MiTarget
        from pvhdbg.target.mi.mi_runner import MiRunner

        self.target = MiTarget(self.gdb, symbols, runs_xen=qemu.runs_xen)
        self.runner = MiRunner(self.gdb, self.target, qemu, has_slow_pages=qemu.options.accel == "tcg")

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until gdb is connected. `timeout` is in seconds.

        :raise GuestError: if QEMU rejects the kernel.
        :raise UserError: if QEMU rejects an argument.
        :raise MachineError: if QEMU or gdb can't start on this computer.
        """
        if self._connecting is not None:
            try:
                self.gdb.wait(self._connecting, timeout)
            except TargetError as error:
                raise self._start_failure(error) from error

    def revive(self) -> None:
        """Reconnect gdb after a dead guest was resumed: QEMU and gdb hang then, and gdb loses the registers."""
        self.disconnect()
        self.reconnect()

    def reconnect(self) -> None:
        """Connect gdb again after `disconnect`."""
        if self.qemu is not None:
            self._connect(self.qemu)
            self.wait_ready()

    def _connect(self, qemu: Qemu) -> None:
        from pvhdbg.target.mi.mi_memory import PHY_MEM_MODE_OFF

        self.gdb.send(_LONG_TIMEOUT)
        self._connecting = self.gdb.send(f"-target-select remote {qemu.gdb_path}")
        self.gdb.send(PHY_MEM_MODE_OFF)

    def disconnect(self) -> None:
        """Disconnect gdb from a stopped machine, which stays stopped. Another client can then connect to its stub."""
        disconnecting = self.gdb.send("-target-disconnect")
        while self.gdb.commands_blocked and not self.gdb.is_answered(disconnecting, _INTERRUPT_TIMEOUT):
            self.gdb.signal()

    def _end(self, qemu: Qemu) -> None:
        qemu.close()
        with suppress(TargetError):
            self.gdb.wait_stop(_EXIT_TIMEOUT)
        self.disconnect()

    def _start_failure(self, error: TargetError) -> PvhdbgError:
        from pvhdbg.live.debuggee import start_failure

        if isinstance(error, NotConnected) and self.gdb.exited:
            return start_failure.gdb_failure(self.gdb.process.options.binary, str(error))
        return start_failure.connection_failure(self.qemu, "gdb", error)
