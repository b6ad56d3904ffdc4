"""A machine that already runs: only its stub is reached, and it is left as it was found."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from stat import S_ISCHR, S_ISSOCK
from typing import TYPE_CHECKING

from pvhdbg.errors import PvhdbgError, TargetError, UserError
from pvhdbg.live.debuggee.machine import Machine
from pvhdbg.target import monitor
from pvhdbg.target.mi import MiError, console_command

if TYPE_CHECKING:
    from pvhdbg.live.gdb.process import GdbOptions
    from pvhdbg.target.base import Halt, Symbols
    from pvhdbg.target.gdb_mi import MiTarget

_CONNECTS_WITHIN = 15.0
_STOPS_WITHIN = 5.0


_WANTED = "HOST:PORT or the path of a UNIX socket"


def _refuse_files(where: str) -> None:
    """Gdb takes any file for a serial line, and writes its packets over what is there: over a kernel named first.

    :raise UserError: for what is there and is neither a socket nor a device.
    """
    try:
        mode = Path(where).stat().st_mode
    except OSError:  # HOST:PORT; else gdb says why
        return
    if not S_ISSOCK(mode) and not S_ISCHR(mode):
        raise UserError(f"{where}: is no socket", f"{_WANTED}; KERNEL comes second")


class Attachment(Machine):
    """A gdb connected to somebody else's stub: HOST:PORT or the path of a UNIX socket. Connecting stops the guest.

    :raise UserError: if nothing there speaks gdb's protocol.
    """

    def __init__(self, where: str, symbols: Symbols | None = None, gdb: GdbOptions | None = None) -> None:
        if not where.strip() or where.lstrip().startswith("|") or not where.isprintable():
            raise UserError(f"not a stub's address: {where!r}", _WANTED)
        _refuse_files(where)
        super().__init__(gdb)
        self._was_running = True
        try:
            self._connect(where, symbols)
        except BaseException:
            self.close()
            raise

    def _connect(self, where: str, symbols: Symbols | None) -> None:
        from pvhdbg.target.gdb_mi import MiTarget
        from pvhdbg.target.mi_memory import MONITOR, PHY_MEM_MODE, PHY_MEM_MODE_OFF
        from pvhdbg.target.mi_runner import MiRunner

        self.gdb.send("-gdb-set tcp auto-retry off")
        self.gdb.send(f"-gdb-set remotetimeout {_CONNECTS_WITHIN // 3:.0f}")
        try:
            self.gdb.ask(f"-target-select remote {where}", _CONNECTS_WITHIN)
        except MiError as error:
            raise UserError(f"can't attach to {where}: {error}", "QEMU has a stub there after -gdb or -s") from error
        has_mode = 'received: "OK"' in self.gdb.ask(PHY_MEM_MODE_OFF).text
        self.gdb.send(console_command("maint flush register-cache"))  # it may have looked before the mode was off
        status = self._monitor_status()
        # A guest that `stop` had stopped can't be told from one that our coming stopped: both are just paused.
        self._was_running = status in (None, "paused")
        physical = PHY_MEM_MODE if has_mode else MONITOR if status else None
        self.target = MiTarget(self.gdb, symbols, physical_memory=physical, has_monitor=status is not None)
        self.runner = MiRunner(self.gdb, self.target, _ThroughTheStub(self.target) if status else None, may_reset=True)

    def _monitor_status(self) -> str | None:
        with suppress(MiError):
            return monitor.parse_run_state(self.gdb.ask(console_command("monitor info status")).text)
        return None

    def close(self) -> None:
        with suppress(PvhdbgError):
            self._leave()
        super().close()

    def _leave(self) -> None:
        """Our breakpoints gone, PhyMemMode 0, the guest as it was."""
        from pvhdbg.target.mi_memory import PHY_MEM_MODE_OFF

        gdb = self.gdb
        if gdb.running:
            gdb.interrupt()
            gdb.wait_stop(_STOPS_WITHIN)
        if gdb.connected:
            gdb.send(console_command("delete"))
            gdb.send(PHY_MEM_MODE_OFF)
            gdb.ask("-target-detach" if self._was_running else "-target-disconnect")


class _ThroughTheStub:
    """The Hypervisor of a machine that is not ours: its monitor, asked through the stub."""

    def __init__(self, target: MiTarget) -> None:
        self._target = target

    def status(self) -> str | None:
        try:
            return monitor.parse_run_state(self._target.monitor("info status"))
        except TargetError:
            return None

    def stop(self) -> bool:
        return False  # the stub's monitor is deaf while the guest runs

    def find_error_line(self, words: str) -> str:  # noqa: ARG002 - its error output is somebody else's
        return ""

    def death(self, timeout: float = 0.0) -> Halt | None:  # noqa: ARG002 - its process is somebody else's
        return None
