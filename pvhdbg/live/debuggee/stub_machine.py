"""The machine that pvhdbg starts and reaches through QEMU's stub, without gdb."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from pvhdbg.errors import NotConnected, TargetError
from pvhdbg.live.debuggee.machine import Machine
from pvhdbg.live.system.os_errors import os_errors_as_machine_errors

if TYPE_CHECKING:
    from pvhdbg.live.qemu.options import QemuOptions
    from pvhdbg.live.qemu.process import Qemu
    from pvhdbg.live.stub.connection import Connection
    from pvhdbg.live.stub.watch import RspWatch
    from pvhdbg.target.base import Symbols
    from pvhdbg.target.rsp.rsp_runner import RspRunner
    from pvhdbg.target.rsp.rsp_target import RspTarget


class StubAccess:
    """A connection to a QEMU's stub, with the Target and the Runner that use it."""

    def __init__(self, qemu: Qemu, symbols: Symbols | None) -> None:
        """Connect, without waiting for QEMU. These imports run while QEMU starts.

        :raise MachineError: if the system allows no more sockets.
        """
        from pvhdbg.live.stub.connection import Connection
        from pvhdbg.target.rsp.rsp_runner import RspRunner
        from pvhdbg.target.rsp.rsp_target import RspTarget

        self._qemu = qemu
        with os_errors_as_machine_errors("can't create a socket"):
            self.connection = Connection(socket.socket(socket.AF_UNIX))
        self.connection.connect(qemu.gdb_path)
        self.target = RspTarget(self.connection, symbols, runs_xen=qemu.runs_xen)
        is_tcg = qemu.options.accel == "tcg"
        self.runner = RspRunner(self.connection, self.target, qemu, has_slow_pages=is_tcg)

    def wait_ready(self) -> None:
        """Wait until QEMU answers. For the errors, see StubMachine."""
        try:
            self.connection.wait_ready()
        except TargetError as error:
            from pvhdbg.live.debuggee import start_failure

            raise start_failure.connection_failure(self._qemu, "pvhdbg", error) from error

    def watch(self) -> RspWatch:
        """Return what steps the machine, and runs it to watchpoints."""
        from pvhdbg.live.stub.watch import RspWatch

        return RspWatch(self.connection)

    def close(self) -> None:
        """Close the connection. The machine stays stopped."""
        self.connection.close()


class StubMachine(Machine):
    """A QEMU whose guest is at the reset vector, after `boot`.

    `boot` does not wait. `wait_ready` waits until QEMU has loaded the kernel; call it before using `target` or
    `runner`.
    """

    target: RspTarget
    runner: RspRunner

    def __init__(self) -> None:
        self._access: StubAccess | None = None
        super().__init__()

    def boot(self, options: QemuOptions, symbols: Symbols | None = None) -> None:
        """Start QEMU, and connect to it. End the previous QEMU.

        :raise UserError: for a QEMU argument that would let QEMU outlive pvhdbg.
        :raise MachineError: if QEMU is not installed.
        """
        from pvhdbg.live.qemu.process import Qemu

        if self.qemu is not None:
            self._disconnect()
            self.qemu.close()
        self.qemu = Qemu(options, self.folder, self.watcher.group)
        self._access = StubAccess(self.qemu, symbols)
        self.target, self.runner = self._access.target, self._access.runner

    def wait_ready(self) -> None:
        """Wait until QEMU answers.

        :raise GuestError: if QEMU rejects the kernel.
        :raise UserError: if QEMU rejects an argument.
        :raise MachineError: if QEMU can't start on this computer.
        """
        if self._access is not None:
            self._access.wait_ready()

    @property
    def connection(self) -> Connection:
        """The connection to QEMU's stub.

        :raise NotConnected: if there is no machine yet.
        """
        if self._access is None:
            raise NotConnected("the machine is gone")
        return self._access.connection

    def watch(self) -> RspWatch:
        """Return what steps this machine, and runs it to watchpoints.

        :raise NotConnected: if there is no machine yet.
        """
        if self._access is None:
            raise NotConnected("the machine is gone")
        return self._access.watch()

    def close(self) -> None:
        super().close()
        self._disconnect()

    def _disconnect(self) -> None:
        if self._access is not None:
            self._access.close()
            self._access = None
