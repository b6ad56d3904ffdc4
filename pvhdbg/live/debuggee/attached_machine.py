"""A machine that is already running: pvhdbg reaches it only through its gdb stub, and leaves it as it found it."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path
from stat import S_ISCHR, S_ISSOCK
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.errors import PvhdbgError, TargetError, UserError
from pvhdbg.live.debuggee.gdb_machine import GdbMachine
from pvhdbg.target import monitor
from pvhdbg.target.mi.client import MiError, console_command

if TYPE_CHECKING:
    from pvhdbg.live.gdb.mi import Reply
    from pvhdbg.live.gdb.mi_client import Pending
    from pvhdbg.live.gdb.process import GdbOptions
    from pvhdbg.target.base import Halt, Symbols
    from pvhdbg.target.mi.gdb_mi import MiTarget

_GDB_START_TIMEOUT = 30.0
_CONNECT_TIMEOUT = 15.0
_PACKET_TIMEOUT = 5
_STOP_TIMEOUT = _LEAVE_TIMEOUT = 5.0
_LAST_PORT = 0xFFFF
_BUSY = "end the debugger that is connected to this gdb stub: it serves only one at a time"
_ADDRESS = "pass HOST:PORT or the path of a UNIX socket"


def _check_path(where: str) -> None:
    """Refuse a regular file: gdb would take it for a serial line, and overwrite a kernel file with its packets.

    :raise UserError: if `where` is neither HOST:PORT nor a socket or device.
    """
    try:
        mode = Path(where).stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        if ":" not in where:
            raise UserError(f"{where}: no such socket", _ADDRESS) from error
        _check_port(where)
        return
    except OSError:  # gdb reports what is wrong
        _check_port(where)
        return
    if S_ISSOCK(mode) and ":" in where:
        hint = "pass a symbolic link to the socket, with a path without a colon"
        raise UserError(f"{where}: gdb mistakes a path with a colon for HOST:PORT", hint)
    if not S_ISSOCK(mode) and not S_ISCHR(mode):
        raise UserError(f"{where}: not a socket", f"{_ADDRESS} first, and KERNEL second")


def _check_port(where: str) -> None:
    """Refuse a port that does not fit in 16 bits: gdb would connect to another one.

    :raise UserError: for such a port.
    """
    port = where.rpartition(":")[2].strip()
    if re.fullmatch("[0-9]+", port) and not 0 < int(port.lstrip("0")[:6] or "0") <= _LAST_PORT:
        raise UserError(f"{where}: port out of range", f"use a port from 1 to {_LAST_PORT}")


class AttachedMachine(GdbMachine):
    """A gdb connected to the stub at HOST:PORT or the path of a UNIX socket. Connecting stops the guest.

    :raise UserError: if there is no gdb stub.
    """

    def __init__(self, where: str, symbols: Symbols | None = None, gdb: GdbOptions | None = None) -> None:
        if not where.strip() or where.lstrip().startswith("|") or not where.isprintable():
            raise UserError(f'"{printable(where)}": not the address of a gdb stub', _ADDRESS)
        _check_path(where)
        super().__init__(gdb)
        self._was_running = True
        try:
            self._connect(where, symbols)
        except BaseException:
            self.close()
            raise

    def _connect(self, where: str, symbols: Symbols | None) -> None:
        from pvhdbg.target.mi.gdb_mi import MiTarget
        from pvhdbg.target.mi.mi_memory import PHY_MEM_MODE_OFF
        from pvhdbg.target.mi.mi_runner import MiRunner
        from pvhdbg.target.stub import MONITOR, PHY_MEM_MODE

        self._wait_for_gdb(self.gdb.send("-gdb-set tcp auto-retry off"))
        self.gdb.send(f"-gdb-set remotetimeout {_PACKET_TIMEOUT}")
        connecting, mode = self.gdb.send(f"-target-select remote {where}"), self.gdb.send(PHY_MEM_MODE_OFF)
        # gdb may have read registers before the mode was off.
        self.gdb.send(console_command("maint flush register-cache"))
        asking = self.gdb.send(console_command("monitor info status"))
        end = time.monotonic() + _CONNECT_TIMEOUT
        try:
            self._wait_until(end, connecting)
            has_mode = 'received: "OK"' in self._wait_until(end, mode).text
            status = self._monitor_status(end, asking)
        except TargetError as error:
            raise self._connect_failure(where, error) from error
        # Connecting pauses the guest, so pvhdbg can't tell whether the guest was paused or running before.
        self._was_running = status in (None, "paused")
        physical = PHY_MEM_MODE if has_mode else MONITOR if status else None
        self.target = MiTarget(self.gdb, symbols, physical_memory=physical, has_monitor=status is not None)
        hypervisor = _MonitorOfStub(self.target) if status else None
        self.runner = MiRunner(self.gdb, self.target, hypervisor, may_reset=True, run_state=status)

    def _wait_for_gdb(self, first: Pending) -> None:
        """Wait for the answer to gdb's first command, so that the stub is not blamed for a gdb that starts slowly.

        :raise MachineError: if gdb ends or does not answer.
        """
        try:
            self.gdb.wait(first, _GDB_START_TIMEOUT)
        except TargetError as error:
            from pvhdbg.live.debuggee import start_failure

            raise start_failure.gdb_failure(self.gdb.process.options.binary, str(error)) from error

    def _connect_failure(self, where: str, error: TargetError) -> PvhdbgError:
        if isinstance(error, MiError):
            reason = str(error).removeprefix(f"{where}: ").rstrip(".")
            hint = _BUSY if "timed out" in reason.lower() else "start QEMU with -s, or with -gdb and this address"
            return UserError(f"can't attach to {where}: {reason}", error.hint or hint)
        if self.gdb.exited:
            from pvhdbg.live.debuggee import start_failure

            return start_failure.gdb_failure(self.gdb.process.options.binary, str(error))
        return error

    def _wait_until(self, end: float, pending: Pending) -> Reply:
        return self.gdb.wait(pending, max(end - time.monotonic(), 0.0))

    def _monitor_status(self, end: float, pending: Pending) -> str | None:
        """Return what QEMU's monitor says; None if the stub has no monitor.

        :raise MiError: if the stub does not answer.
        """
        try:
            return monitor.parse_run_state(self._wait_until(end, pending).text)
        except MiError:
            if pending.reply is None:
                raise
            return None

    def close(self) -> None:
        if self.has_gdb:
            with suppress(PvhdbgError):
                self._leave()
        super().close()

    def _leave(self) -> None:
        """Delete the breakpoints, reset PhyMemMode, and resume the guest if it was running."""
        from pvhdbg.target.mi.mi_memory import PHY_MEM_MODE_OFF

        gdb = self.gdb
        if gdb.running:
            gdb.interrupt()
            gdb.wait_stop(_STOP_TIMEOUT)
        if gdb.connected:
            gdb.send(console_command("delete"))
            gdb.send(PHY_MEM_MODE_OFF)
            gdb.ask("-target-detach" if self._was_running else "-target-disconnect", _LEAVE_TIMEOUT)


class _MonitorOfStub:
    """The Hypervisor of a machine that pvhdbg did not start: QEMU's monitor, reached through the stub."""

    def __init__(self, target: MiTarget) -> None:
        self._target = target

    def status(self) -> str | None:
        try:
            return monitor.parse_run_state(self._target.monitor("info status"))
        except TargetError:
            return None

    def stop(self) -> bool:
        return False  # the stub does not answer while the guest runs

    def shutdown_reason(self) -> str | None:
        """Return None: pvhdbg was not connected to QMP when the guest shut down."""
        return None

    def find_error_line(self, words: str) -> str:  # noqa: ARG002  pvhdbg can't read its error output
        return ""

    def death(self, timeout: float = 0.0) -> Halt | None:  # noqa: ARG002  pvhdbg can't watch its process
        return None

    def xen_report(self) -> None:
        """Return None: pvhdbg can't read the serial console."""
