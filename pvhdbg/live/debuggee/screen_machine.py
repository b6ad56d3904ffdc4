"""The machine that pvhdbg starts for the screen: QEMU's stub is asked directly until gdb takes the machine over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.errors import PvhdbgError
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.debuggee.stub_machine import StubAccess

if TYPE_CHECKING:
    from pvhdbg.live.gdb.process import GdbOptions
    from pvhdbg.live.qemu.options import QemuOptions
    from pvhdbg.target.base import Symbols


class ScreenMachine(OwnMachine):
    """An OwnMachine whose first stops do not wait for gdb.

    `boot` starts only QEMU. `start_gdb` starts gdb, which starts while the guest runs to its first stops and the
    screen draws its first picture. After `take_over`, the machine is an OwnMachine like any other.
    """

    def __init__(self) -> None:
        self._access: StubAccess | None = None
        self._is_taken_over = False
        super().__init__()

    def _start(self) -> None:
        """Start nothing yet: QEMU needs longest, and the computer may have only two CPUs."""

    def start_gdb(self, options: GdbOptions) -> None:
        """Start gdb.

        :raise MachineError: if gdb is not installed.
        :raise UserError: if the log of MI can't be written.
        """
        self._options = options
        super()._start()
        if self._process is not None:
            self._process.pause()

    @property
    def is_with_gdb(self) -> bool:
        return self._is_taken_over

    def boot(self, options: QemuOptions, symbols: Symbols | None = None) -> None:
        """See OwnMachine. Before `take_over`, pvhdbg connects to QEMU's stub instead of gdb."""
        if self._is_taken_over:
            super().boot(options, symbols)
            return
        self._disconnect_stub()
        if self.qemu is not None:
            self.qemu.close()
        self.qemu = self._start_qemu(options)
        self._access = StubAccess(self.qemu, symbols)
        self.target, self.runner = self._access.target, self._access.runner

    def wait_ready(self, timeout: float = 60.0) -> None:
        """See OwnMachine."""
        if self._access is not None:
            self._access.wait_ready()
        else:
            super().wait_ready(timeout)

    def take_over(self) -> bool:
        """Close the connection to the stub, which leaves the machine stopped, and let gdb connect to the stub.

        If QEMU has ended, this is no error: the new `runner` reports it as a death.
        """
        access = self._access
        if access is None or self.qemu is None:
            return False
        if self._process is not None:
            self._process.resume()
        self._disconnect_stub()
        self._is_taken_over = True
        if self.qemu.returncode is None:
            self._connect(self.qemu)
        self._use_gdb(self.qemu, access.target.symbols)
        self.runner.follow(access.runner)
        try:
            self.wait_ready()
        except PvhdbgError:
            if self.gdb.exited or self.qemu.returncode is None:
                raise
        return True

    def close(self) -> None:
        super().close()
        self._disconnect_stub()

    def _disconnect_stub(self) -> None:
        if self._access is not None:
            self._access.close()
            self._access = None
