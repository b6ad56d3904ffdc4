"""The Runner for a client of the GDB remote serial protocol."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.errors import NotConnected
from pvhdbg.target.base import ELSEWHERE, HIT
from pvhdbg.target.rsp.client import BOOT_CPU, StubError, cleaned_up
from pvhdbg.target.stub import StubRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from pvhdbg.target.absent import AbsentMemory
    from pvhdbg.target.base import Halt, Target
    from pvhdbg.target.rsp.client import Rsp
    from pvhdbg.target.stub import Hypervisor

# QEMU's stub reports QEMU's run states as signals. In these two states, the guest is dead.
_FATAL = {3: "shutdown", 6: "internal-error"}
_STOP_TIMEOUT, _STEP_TIMEOUT, _EXIT_TIMEOUT = 5.0, 5.0, 2.0
_SOON = 1.0
"""Seconds to wait for the report of a stop before asking for it again: a signal may have lost it."""
_RUN = "vCont;c"


class RspRunner(StubRunner):
    """A Runner that asks QEMU's stub directly. pvhdbg has started the machine.

    If `keeps_breakpoints` is set, the breakpoints of one `run_to` stay for the next one, until `clear_breakpoints`:
    QEMU translates the guest's code again after each change of them.
    """

    def __init__(
        self,
        rsp: Rsp,
        target: Target,
        hypervisor: Hypervisor,
        *,
        keeps_breakpoints: bool = False,
        has_slow_pages: bool = False,
    ) -> None:
        super().__init__(target, hypervisor)
        self.has_slow_pages = has_slow_pages
        self._rsp = rsp
        self._keeps_breakpoints = keeps_breakpoints
        self._addresses_set: Collection[int] = ()
        self._absent: AbsentMemory | None = None

    def hide(self, absent: AbsentMemory) -> None:
        """From now on, let the guest lose what it writes to this memory, until it enables paging."""
        self._absent = absent

    def _run_for(self, addresses: Collection[int], timeout: float) -> Halt:
        return self._halt(lambda: self._run(addresses, timeout), addresses)

    def run_to_return(self, timeout: float) -> Halt:
        """See ReturnRunner. Only `ret` reads the return address, so a watchpoint for reads stops the machine there."""
        self._interrupted = False
        address = self._target.register("rsp")
        halt = self._halt(lambda: self._run_to_read(address, timeout))
        stop = self._rsp.last_stop
        has_returned = halt.kind == ELSEWHERE and stop is not None and stop.watched == address
        return halt._replace(kind=HIT, message="") if has_returned else halt

    def _run_to_read(self, address: int, timeout: float) -> bool:
        """Run until the machine reads 8 bytes at a linear address, or stops otherwise; return whether it timed out."""
        packet = f"3,{address:x},8"
        if self._rsp.ask_all([f"Z{packet}"]) != ["OK"]:
            raise StubError(f"the gdb stub can't set a watchpoint at {address:#x}")
        with cleaned_up(lambda: self._clear_stopped([f"z{packet}"])):
            try:
                return self._resume(timeout)
            finally:
                self.stop()

    def _clear_stopped(self, packets: Sequence[str]) -> None:
        if not self._rsp.running:
            self._rsp.ask_all(packets)

    def _halt(self, run: Callable[[], bool], addresses: Collection[int] = ()) -> Halt:
        """Run the machine, unless it is dead, and find out why it stopped."""
        if (death := self.death()) is not None:
            return death
        try:
            timed_out = run()
        except NotConnected as error:
            return self._gone(str(error))
        return self.death() or self._judge(addresses, timed_out=timed_out)

    def interrupt(self) -> None:
        """See StubRunner."""
        self._interrupted = True
        self._rsp.interrupt()

    def _run(self, addresses: Collection[int], timeout: float) -> bool:
        """Run until the machine stops; return whether it timed out."""
        # The stub does not step off a breakpoint by itself: the guest would hit the breakpoint again and again.
        if self._target.register("rip") in addresses:
            self._step()
            if self._find_death() is not None or self._target.register("rip") in addresses:
                return False
        with self._breakpoints(addresses):
            try:
                return self._resume(timeout)
            finally:
                self.stop()

    def _resume(self, timeout: float) -> bool:
        """Run until the machine stops for another reason than a lost write; return whether it timed out."""
        deadline = time.monotonic() + timeout
        with self._hidden() as absent:
            while True:
                self._rsp.resume(_RUN)
                if not self._wait(self._rsp.wait_stop, max(deadline - time.monotonic(), 0.0)):
                    return True
                stop = self._rsp.last_stop
                if absent is None or stop is None or stop.watched != absent.start or self._interrupted:
                    return False
                if not absent.is_hidden:
                    self._clear_watchpoint(absent)
                    self._absent = None
                else:
                    absent.lose_write()

    @contextmanager
    def _hidden(self) -> Iterator[AbsentMemory | None]:
        """Within the block, a write to the absent memory stops the machine. Yield that memory, or None."""
        if self._absent is not None and not self._absent.is_hidden:
            self._absent = None
        absent = self._absent
        if absent is None:
            yield None
            return
        self._rsp.ask_all([f"Z2,{absent.start:x},{absent.size:x}"])
        with cleaned_up(lambda: self._unhide(absent)):
            yield absent

    def _unhide(self, absent: AbsentMemory) -> None:
        self.stop()
        if not self._rsp.running and self._absent is not None:
            self._clear_watchpoint(absent)

    def _clear_watchpoint(self, absent: AbsentMemory) -> None:
        self._rsp.ask_all([f"z2,{absent.start:x},{absent.size:x}"])

    @contextmanager
    def _breakpoints(self, addresses: Collection[int]) -> Iterator[None]:
        """Within the block, there is a hardware breakpoint at each address.

        :raise StubError: if one can't be set. KVM has four.
        """
        fresh, unused = {*addresses} - {*self._addresses_set}, {*self._addresses_set} - {*addresses}
        self._clear(unused)
        self._addresses_set = addresses
        answers = self._rsp.ask_all([f"Z1,{address:x},1" for address in fresh])
        with cleaned_up(self._clear_unless_kept):
            for address, answer in zip(fresh, answers, strict=True):
                if answer != "OK":
                    raise StubError(f"the gdb stub can't set a hardware breakpoint at {address:#x}")
            yield

    def _clear_unless_kept(self) -> None:
        if not self._keeps_breakpoints:
            self.clear_breakpoints()

    def clear_breakpoints(self) -> None:
        """Remove the breakpoints, unless the machine runs."""
        if not self._rsp.running:
            self._clear(self._addresses_set)
            self._addresses_set = ()

    def _clear(self, addresses: Collection[int]) -> None:
        self._rsp.ask_all([f"z1,{address:x},1" for address in addresses])

    def _step(self) -> None:
        stop = self._rsp.last_stop
        self._rsp.resume(f"vCont;s:{BOOT_CPU if stop is None else stop.cpu:x}")
        if not self._rsp.wait_stop(_STEP_TIMEOUT):
            self.stop()

    def stop(self) -> None:
        """See StubRunner."""
        if self._rsp.running:
            self._rsp.interrupt()
            if not self._rsp.wait_stop(_SOON):
                self._rsp.ask_for_stop()
                self._rsp.wait_stop(_STOP_TIMEOUT)

    @property
    def is_running(self) -> bool:
        return self._rsp.running

    def _stop_reason(self) -> str:
        stop = self._rsp.last_stop
        return "" if stop is None else f"signal {stop.signal}"

    def _find_death(self) -> Halt | None:
        stop = self._rsp.last_stop
        if stop is None:
            return None
        if stop.signal is None:
            return self._gone()
        return self._confirm_death(_FATAL[stop.signal]) if stop.signal in _FATAL else None

    def _gone(self, reason: str = "the machine is gone") -> Halt:
        """Return how QEMU ended.

        :raise NotConnected: with the reason, if QEMU still runs.
        """
        exited = self._qemu_exit(_EXIT_TIMEOUT)
        if exited is None:
            raise NotConnected(reason)
        return exited
