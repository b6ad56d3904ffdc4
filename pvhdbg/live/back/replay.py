"""Run the machine again from a snapshot. pvhdbg talks to QEMU's stub itself, while gdb is disconnected.

This is faster than gdb, and no hit of a watchpoint is lost: gdb does not report one that happens while it steps off a
breakpoint.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.errors import NotConnected, PvhdbgError, TargetError
from pvhdbg.live.back.places import is_at
from pvhdbg.live.stub.connection import Connection
from pvhdbg.live.stub.watch import RspWatch
from pvhdbg.live.system.os_errors import os_errors_as_machine_errors
from pvhdbg.target.base import HIT
from pvhdbg.target.rsp.rsp_runner import RspRunner
from pvhdbg.target.rsp.rsp_target import RspTarget

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType
    from typing import Self

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.live.back.snapshot_list import Snapshot, SnapshotList
    from pvhdbg.live.debuggee.own_machine import OwnMachine


class Replay:
    """Within the block, gdb is disconnected, and the machine is reached through `target`, `runner` and `watch`.

    If the block raises a TargetError, the machine returns to the moment that the user sees, if that has a snapshot.

    `limit` is how long the machine may run after each `load`, in seconds. `returns_to` is the snapshot of the moment
    that the user sees, which is kept until the end; None if there is none. `is_dead` is whether the guest is dead.
    """

    target: RspTarget
    runner: RspRunner
    watch: RspWatch

    def __init__(
        self,
        machine: OwnMachine,
        snapshots: SnapshotList,
        returns_to: Snapshot | None,
        limit: float,
        *,
        is_dead: bool,
    ) -> None:
        self._machine = machine
        self._snapshots = snapshots
        self.returns_to = returns_to
        self._limit = limit
        self._is_dead = is_dead
        self._has_timed_out = False

    def __enter__(self) -> Self:
        self._machine.disconnect()
        self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_dead = False
        if kind is not None and issubclass(kind, TargetError):
            with suppress(PvhdbgError):  # QEMU may be gone
                is_dead = self.has_died
                if self.returns_to is not None:
                    self.load(self.returns_to)
                    is_dead = False
        self._disconnect()
        self._machine.reconnect()
        if not is_dead:
            self._machine.runner.forget_death()

    def load(self, snapshot: Snapshot) -> None:
        """Restore the machine.

        :raise GuestError: if QEMU can't restore it.
        """
        is_dead = self._is_dead or self.runner.death() is not None
        self._disconnect()
        self._has_timed_out = self._has_timed_out or not self.left
        self._is_dead = False
        self._snapshots.load(snapshot, self.returns_to, is_dead=is_dead)
        self._connect(self.target)

    @property
    def left(self) -> float:
        """The seconds that the machine may still run."""
        return max(self._deadline - time.monotonic(), 0.0)

    @property
    def timeout_message(self) -> str:
        """The message if the time has run out, now or before an earlier `load`; empty if it has not."""
        is_up = self._has_timed_out or not self.left
        return f"the guest did not come here again within {self._limit:g} s" if is_up else ""

    @property
    def rip(self) -> int:
        return self.target.register("rip")

    @property
    def has_died(self) -> bool:
        return self.runner.death() is not None

    def run_to(self, addresses: Collection[int]) -> bool:
        """Run to one of the addresses. Return False if the guest died, or did not get there in time.

        The breakpoints stay until `load` or the end, or until others are needed.
        """
        return self.left > 0 and self.runner.run_to(addresses, self.left).kind == HIT

    def step(self) -> bool:
        """Execute one instruction. Return False if that killed the guest."""
        return self.watch.step() and not self.has_died

    def is_at(self, place: Capture) -> bool:
        """Return whether the machine's registers and boot data are those of a capture."""
        return is_at(self.target, place)

    def _disconnect(self) -> None:
        with suppress(NotConnected):  # QEMU may be gone
            self.runner.clear_breakpoints()
        self._connection.close()

    def _connect(self, before: RspTarget | None = None) -> None:
        """Connect to QEMU's stub. `before` is the target of an earlier connection to it, if there was one."""
        qemu = self._machine.qemu
        assert qemu is not None  # noqa: S101  pvhdbg started this machine
        with os_errors_as_machine_errors("can't create a socket"):
            self._connection = Connection(socket.socket(socket.AF_UNIX))
        self._connection.connect(qemu.gdb_path)
        self._connection.wait_ready()
        self.target = RspTarget(self._connection, self._machine.target.symbols, runs_xen=qemu.runs_xen)
        if before is not None:
            self.target.take_description(before)
        self.runner = RspRunner(self._connection, self.target, qemu, keeps_breakpoints=True)
        self.watch = RspWatch(self._connection)
        self._deadline = time.monotonic() + self._limit
