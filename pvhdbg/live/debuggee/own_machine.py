"""A machine of our own: QEMU and gdb started at once, and gone when it ends."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.errors import MachineError, NotConnected, PvhdbgError, TargetError
from pvhdbg.live.debuggee.machine import Machine

if TYPE_CHECKING:
    from pvhdbg.live.gdb.mi_client import Pending
    from pvhdbg.live.gdb.process import GdbOptions
    from pvhdbg.live.qemu.options import QemuOptions
    from pvhdbg.live.qemu.process import Qemu
    from pvhdbg.target.base import Symbols

_ENDS_WITHIN = 3.0
_GIVES_UP_WITHIN = 0.5
# QEMU may still be loading the kernel when gdb says its first word.
_PATIENT = "-gdb-set remotetimeout 60"


class OwnMachine(Machine):
    """A gdb, and after `boot` a QEMU whose guest stands at the reset vector.

    gdb takes longest to start, so it does from the constructor on; `boot` starts QEMU beside it and waits for nothing;
    `wait_ready` waits for both, and must come before the first question to `target` or `runner`.
    """

    def __init__(self, gdb: GdbOptions | None = None) -> None:
        self._connecting: Pending | None = None
        super().__init__(gdb)

    def boot(self, options: QemuOptions, symbols: Symbols | None = None) -> None:
        """Start QEMU, and let gdb connect to it as soon as both can. A QEMU from before ends; gdb keeps what it knows.

        :raise UserError: for an argument that would let QEMU escape us.
        :raise MachineError: if QEMU is not there.
        """
        from pvhdbg.live.qemu.process import Qemu

        if self.qemu is not None:
            self._end(self.qemu)
        self.qemu = Qemu(options, self.folder, self.watcher.group)
        # What is imported from here on is imported while gdb and QEMU start.
        from pvhdbg.target.gdb_mi import MiTarget
        from pvhdbg.target.mi_runner import MiRunner

        self._connect(self.qemu)
        self.target = MiTarget(self.gdb, symbols)
        self.runner = MiRunner(self.gdb, self.target, self.qemu)

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

    def revive(self) -> None:
        """Get the registers of a dead guest back after somebody resumed it: it hangs then, and so does gdb."""
        if self.qemu is not None:
            self._disconnect()
            self._connect(self.qemu)
            self.wait_ready()

    def _connect(self, qemu: Qemu) -> None:
        from pvhdbg.target.mi_memory import PHY_MEM_MODE_OFF

        self.gdb.send(_PATIENT)
        self._connecting = self.gdb.send(f"-target-select remote {qemu.gdb_path}")
        self.gdb.send(PHY_MEM_MODE_OFF)

    def _disconnect(self) -> None:
        disconnecting = self.gdb.send("-target-disconnect")
        while self.gdb.commands_blocked and not self.gdb.is_answered(disconnecting, _GIVES_UP_WITHIN):
            self.gdb.process.interrupt()

    def _end(self, qemu: Qemu) -> None:
        qemu.close()
        with suppress(TargetError):
            self.gdb.wait_stop(_ENDS_WITHIN)
        self._disconnect()

    def _start_failure(self, error: TargetError) -> PvhdbgError:
        from pvhdbg.live.debuggee import start_failure

        if isinstance(error, NotConnected):
            return start_failure.silence(self.gdb.process.options.binary, str(error))
        if self.qemu is not None and self.qemu.death(_ENDS_WITHIN) is not None:
            return start_failure.refusal(self.qemu.options, self.qemu.returncode or 0, self.qemu.last_error())
        return MachineError(f"gdb can't connect to QEMU: {error}")
