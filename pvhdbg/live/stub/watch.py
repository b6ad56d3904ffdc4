"""Watchpoints and single steps of QEMU's stub, which the Runner does not have."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target.rsp.client import StubError, cleaned_up

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pvhdbg.target.rsp.client import Rsp

_RUN, _STEP = "vCont;c", "vCont;s:1"
_STOP_TIMEOUT = 5.0
_WRITES, _ACCESSES = 2, 4
_TRAP = 5
"""SIGTRAP: a breakpoint, a watchpoint or a step."""


class Watchpoint(NamedTuple):
    """A watchpoint on linear addresses, for writes, and also for reads unless `only_writes` is set.

    The machine stops after the instruction.
    """

    address: int
    size: int
    only_writes: bool = False

    @property
    def packet(self) -> str:
        return f"{_WRITES if self.only_writes else _ACCESSES},{self.address:x},{self.size:x}"


class RspWatch:
    """Steps and runs a machine whose boot data is watched."""

    def __init__(self, rsp: Rsp) -> None:
        self._rsp = rsp
        self._kept: set[int] = set()

    def set_all(self, watchpoints: Collection[Watchpoint]) -> None:
        """Set watchpoints. QEMU names the one that was set last, so the highest address comes first.

        :raise StubError: if one can't be set. KVM has four.
        """
        ordered = sorted(watchpoints, key=lambda watchpoint: -watchpoint.address)
        if any(answer != "OK" for answer in self._rsp.ask_all([f"Z{one.packet}" for one in ordered])):
            raise StubError("the gdb stub can't set that many watchpoints")

    def clear_all(self, watchpoints: Collection[Watchpoint]) -> None:
        self._rsp.ask_all([f"z{one.packet}" for one in watchpoints])

    def step(self) -> bool:
        """Execute one instruction. Return whether the machine stopped because of that."""
        return self._resume(_STEP, _STOP_TIMEOUT)

    def run(self, addresses: Collection[int], timeout: float) -> bool:
        """Run to an address or a watchpoint; return False if the machine stopped for another reason, or not in time.

        The machine also stops at a breakpoint that is kept.
        """
        with self.breakpoints(addresses):
            return self._resume(_RUN, timeout)

    def watched_address(self) -> int | None:
        """Return the address of the watchpoint that stopped the machine; None if none did."""
        stop = self._rsp.last_stop
        return None if stop is None else stop.watched

    @contextmanager
    def breakpoints(self, addresses: Collection[int]) -> Iterator[None]:
        """Keep breakpoints at these addresses within the block, also while the machine steps.

        :raise StubError: if one can't be set.
        """
        fresh = {*addresses} - self._kept
        answers = self._rsp.ask_all([f"Z1,{address:x},1" for address in fresh])
        if any(answer != "OK" for answer in answers):
            raise StubError("the gdb stub can't set a hardware breakpoint")
        self._kept |= fresh
        with cleaned_up(lambda: self._remove_kept(fresh)):
            yield

    def _remove_kept(self, addresses: set[int]) -> None:
        if not self._rsp.running:
            self._rsp.ask_all([f"z1,{address:x},1" for address in addresses & self._kept])
        self._kept -= addresses

    def remove_breakpoint(self, address: int) -> None:
        """Remove a breakpoint that is kept."""
        self._kept.discard(address)
        self._rsp.ask_all([f"z1,{address:x},1"])

    def _resume(self, packet: str, timeout: float) -> bool:
        self._rsp.resume(packet)
        if not self._rsp.wait_stop(timeout):
            self._rsp.interrupt()
            self._rsp.wait_stop(_STOP_TIMEOUT)
            return False
        stop = self._rsp.last_stop
        return stop is not None and stop.signal == _TRAP
