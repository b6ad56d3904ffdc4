"""The Runner for a client of the GDB remote serial protocol."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.errors import NotConnected
from pvhdbg.target.base import DIED, ELSEWHERE, HIT, INTERRUPTED, RESET, RESET_VECTOR, TIMEOUT, Halt
from pvhdbg.target.monitor import DEATHS
from pvhdbg.target.rsp import StubError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pvhdbg.target.base import Target
    from pvhdbg.target.mi_runner import Hypervisor
    from pvhdbg.target.rsp import Rsp

# QEMU's stub reports QEMU's run states as signals. In these two states, the guest is dead.
_FATAL = {3: "shutdown", 6: "internal-error"}
_STOP_TIMEOUT, _STEP_TIMEOUT, _EXIT_TIMEOUT = 5.0, 5.0, 2.0
_RUN, _STEP = "vCont;c", "vCont;s:1"


class RspRunner:
    """A Runner that asks QEMU's stub directly. pvhdbg has started the machine."""

    def __init__(self, rsp: Rsp, target: Target, hypervisor: Hypervisor) -> None:
        self._rsp = rsp
        self._target = target
        self._hypervisor = hypervisor
        self._dead: Halt | None = None
        self._interrupted = False

    def run_to(self, addresses: Collection[int], timeout: float) -> Halt:
        if (death := self.death()) is not None:
            return death
        self._interrupted = False
        try:
            timed_out = self._run(addresses, timeout)
        except NotConnected:
            return self._gone()
        return self.death() or self._judge(addresses, timed_out=timed_out)

    def interrupt(self) -> None:
        """Stop the guest, so that `run_to` returns INTERRUPTED. Can be called from any thread and does not wait."""
        self._interrupted = True
        self._rsp.interrupt()

    def death(self) -> Halt | None:
        """Return how the machine died; None if it is alive. QEMU would hang if a dead machine were resumed."""
        if self._dead is None:
            self._dead = self._find_death()
        return self._dead

    def _run(self, addresses: Collection[int], timeout: float) -> bool:
        """Run until the machine stops; return whether it timed out."""
        # The stub does not step off a breakpoint by itself: it would hit it for ever.
        if self._target.register("rip") in addresses:
            self._step()
            if self._find_death() is not None or self._target.register("rip") in addresses:
                return False
        with self._breakpoints(addresses):
            try:
                self._rsp.resume(_RUN)
                return not self._rsp.wait_stop(timeout)
            finally:
                self._halt()

    @contextmanager
    def _breakpoints(self, addresses: Collection[int]) -> Iterator[None]:
        """Within the block, there is a hardware breakpoint at each address.

        :raise StubError: if one can't be set. KVM has four.
        """
        answers = self._rsp.ask_all([f"Z1,{address:x},1" for address in addresses])
        try:
            for address, answer in zip(addresses, answers, strict=True):
                if answer != "OK":
                    raise StubError(f"the gdb stub can't set a hardware breakpoint at {address:#x}")
            yield
        finally:
            if not self._rsp.running:
                self._rsp.ask_all([f"z1,{address:x},1" for address in addresses])

    def _step(self) -> None:
        self._rsp.resume(_STEP)
        if not self._rsp.wait_stop(_STEP_TIMEOUT):
            self._halt()

    def _halt(self) -> None:
        if self._rsp.running:
            self._rsp.interrupt()
            self._rsp.wait_stop(_STOP_TIMEOUT)

    def _judge(self, addresses: Collection[int], *, timed_out: bool) -> Halt:
        if self._rsp.running:
            return Halt(TIMEOUT, None, message="the guest is running and can't be stopped")
        rip = self._target.register("rip")
        if rip in addresses:
            return Halt(HIT, rip)
        if self._interrupted:
            return Halt(INTERRUPTED, rip)
        if timed_out:
            return Halt(TIMEOUT, rip)
        if rip == RESET_VECTOR:
            return Halt(RESET, rip)
        stop = self._rsp.last_stop
        return Halt(ELSEWHERE, rip, message="" if stop is None else f"signal {stop.signal}")

    def _find_death(self) -> Halt | None:
        stop = self._rsp.last_stop
        if stop is None:
            return None
        if stop.signal is None:
            return self._gone()
        return self._confirm(_FATAL[stop.signal]) if stop.signal in _FATAL else None

    def _gone(self) -> Halt:
        exited = self._hypervisor.death(_EXIT_TIMEOUT)
        if exited is None:
            raise NotConnected("the machine is gone")
        return exited

    def _confirm(self, suspected: str) -> Halt | None:
        """Return how the guest died, according to QEMU's run state; None if it is alive."""
        status = self._hypervisor.status() or suspected
        if status not in DEATHS:
            return None
        how, message = DEATHS[status]
        return Halt(
            DIED, self._target.register("rip"), how, self._hypervisor.find_error_line("KVM internal error") or message
        )
