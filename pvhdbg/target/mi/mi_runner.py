"""The Runner for a gdb/MI client."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pvhdbg.errors import NotConnected, PvhdbgError, TargetError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.target.base import ELSEWHERE, HIT, KVM_BREAKPOINTS, RESET_VECTOR, RESET_VECTOR_PADDR
from pvhdbg.target.mi.client import MiError
from pvhdbg.target.monitor import DEATHS
from pvhdbg.target.stub import StubRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from pvhdbg.target.base import Halt, Target
    from pvhdbg.target.mi.client import Mi, Stop
    from pvhdbg.target.stub import Hypervisor

# QEMU's stub reports QEMU's run states as signals. In these two states, the guest is dead.
_FATAL = {"SIGQUIT": "shutdown", "SIGABRT": "internal-error"}
_NUMBER = pattern(r'\b(?:bkpt|hw-rwpt)=\{number="([0-9]+)"')
_NOT_INSERTED = pattern(r"Cannot insert breakpoint ([0-9]{1,9})\b")
_DISABLED = "is disabled: gdb can't insert a software breakpoint at an address that is not mapped. Use hbreak or F9"
_STOP_TIMEOUT, _STOP_RETRY = 5.0, 0.05
_EXIT_TIMEOUT = 2.0
_GIVE_UP = 60.0
"""On a busy computer, all requests of several seconds may come while gdb, which single-steps, has stopped the guest."""


class MiRunner(StubRunner):
    """A Runner that uses MI.

    `hypervisor` is None if pvhdbg did not start the machine. `may_reset` is true if the machine boots again after a
    reset. `run_state` is QEMU's run state when pvhdbg attached: if the guest was dead already, no stop reports that.
    """

    def __init__(
        self,
        mi: Mi,
        target: Target,
        hypervisor: Hypervisor | None,
        *,
        may_reset: bool = False,
        run_state: str | None = None,
        has_slow_pages: bool = False,
    ) -> None:
        super().__init__(target, hypervisor)
        self.has_slow_pages = has_slow_pages
        self._may_reset = may_reset
        self._mi = mi
        self._run_state = run_state
        self._own_breakpoints: list[str] = []
        self._remarks: list[str] = []

    def _run_for(self, addresses: Collection[int], timeout: float) -> Halt:
        return self._halt(lambda: self._arm(addresses), addresses, timeout)

    def run_to_return(self, timeout: float) -> Halt:
        """See ReturnRunner. Only `ret` reads the return address, so a watchpoint for reads stops the machine there."""
        self._interrupted = False
        address = self._target.register("rsp")
        halt = self._halt(lambda: self._arm_read(address), (), timeout)
        has_returned = halt.kind == ELSEWHERE and self._target.register("rsp") > address
        return halt._replace(kind=HIT, message="") if has_returned else halt

    def _halt(self, arm: Callable[[], list[str]], addresses: Collection[int], timeout: float) -> Halt:
        """Run the machine, unless it is dead, and find out why it stopped."""
        if (death := self.death()) is not None:
            return death
        with self._mi.suppress_output(), self.break_on_reset(len(addresses)):
            try:
                timed_out = self._run(arm, timeout)
            except TargetError:
                if (death := self.death()) is not None:
                    return death
                raise
        return self.death() or self._judge(addresses, timed_out=timed_out)

    @contextmanager
    def break_on_reset(self, wanted: int = 0) -> Iterator[None]:
        """Within the block, stop the machine at its reset vector if it may boot again.

        This needs a hardware breakpoint. It is not set if the machine is at its reset vector now, or if the user's
        breakpoints and `wanted` more use all hardware breakpoints.
        """
        if (
            not self._may_reset
            or self._target.register("rip") == RESET_VECTOR
            or self._breakpoint_count() + wanted >= KVM_BREAKPOINTS
        ):
            yield
            return
        numbers = self._arm([RESET_VECTOR_PADDR])
        try:
            yield
        finally:
            if not self._mi.running:
                self._disarm(numbers)

    def interrupt(self) -> None:
        """See StubRunner."""
        self._interrupted = True
        threading.Thread(target=self._stop_in_background, name="pvhdbg-interrupt", daemon=True).start()

    def _stop_in_background(self) -> None:
        deadline, run = time.monotonic() + _GIVE_UP, self._mi.generation
        with suppress(PvhdbgError):  # gdb or the machine may be gone
            while self._mi.running and self._mi.generation == run and time.monotonic() < deadline:
                self._request_stop()
                self._mi.wait_stop(_STOP_TIMEOUT)

    def _breakpoint_count(self) -> int:
        return self._mi.wait(self._mi.send("-break-list")).line.count("bkpt={")

    def take_remarks(self) -> list[str]:
        """See StubRunner."""
        remarks, self._remarks = self._remarks, []
        return remarks

    def _run(self, arm: Callable[[], list[str]], timeout: float) -> bool:
        """Run until the machine stops; return whether it timed out. A breakpoint that gdb can't insert is disabled.

        `arm` sets breakpoints, and returns their numbers.
        """
        try:
            return self._run_once(arm, timeout)
        except MiError as error:
            match = _NOT_INSERTED.search(str(error))
            if match is None or match[1] in self._own_breakpoints:
                raise
        self._mi.wait(self._mi.send(f"-break-disable {match[1]}"))
        self._remarks.append(f"breakpoint {match[1]} {_DISABLED}")
        return self._run(arm, timeout)

    def _run_once(self, arm: Callable[[], list[str]], timeout: float) -> bool:
        numbers = self._own_breakpoints = arm()
        try:
            resumed = self._mi.send("-exec-continue")
            self._mi.wait(resumed)
            stopped = self._wait(self._mi.wait_stop, timeout)
            self._mi.wait(resumed)  # only now does gdb report that it can't insert a breakpoint
            if not stopped:
                self.stop()
        except BaseException:
            self.stop()
            raise
        finally:
            self._disarm(numbers)
        return not stopped

    def _arm(self, addresses: Collection[int]) -> list[str]:
        """Set a hardware breakpoint at each address; return the breakpoints' numbers.

        :raise MiError: with gdb's own message, if a breakpoint can't be set. The others are then deleted.
        """
        numbers: list[str] = []
        try:
            for address in addresses:
                reply = self._mi.wait(self._mi.send(f"-break-insert -h *{address:#x}"))
                numbers += _NUMBER.findall(reply.line)
        except MiError:
            self._disarm(numbers)
            raise
        return numbers

    def _arm_read(self, address: int) -> list[str]:
        """Set a watchpoint for reads of a return address; return its number."""
        return _NUMBER.findall(self._mi.wait(self._mi.send(f"-break-watch -r *(long*){address:#x}")).line)

    def _disarm(self, numbers: list[str]) -> None:
        if numbers:  # without numbers, gdb would delete all breakpoints, including the user's
            self._mi.send(f"-break-delete {' '.join(numbers)}")

    def stop(self) -> None:
        """See StubRunner."""
        if self._mi.running:
            self._request_stop()
            self._mi.wait_stop(_STOP_TIMEOUT)

    def _request_stop(self) -> None:
        """Send stop requests until the machine has stopped.

        QEMU ignores a stop request while the machine is not running. gdb reports a guest as running before it runs, and
        while gdb single-steps, the guest runs only a small part of the time.
        """
        deadline = time.monotonic() + _STOP_TIMEOUT
        while self._hypervisor is not None and self._hypervisor.stop():
            if self._mi.wait_stop(_STOP_RETRY) or time.monotonic() > deadline:
                return
        self._mi.interrupt()

    @property
    def is_running(self) -> bool:
        return self._mi.running

    def _stop_reason(self) -> str:
        return _reason(self._mi.last_stop)

    def _users_breakpoint(self) -> str:
        """Return the name of the user's breakpoint at this address; empty if there is none.

        gdb reports the breakpoint that was set first.
        """
        stop = self._mi.last_stop
        is_users = stop is not None and stop.breakpoint is not None and stop.breakpoint not in self._own_breakpoints
        return _reason(stop) if is_users else ""

    def _find_death(self) -> Halt | None:
        self._mi.check()
        connected = self._mi.connected
        exited = self._qemu_exit(0.0 if connected else _EXIT_TIMEOUT)
        if exited is not None:
            return exited
        if not connected:
            raise NotConnected("gdb is not connected to a machine")
        stop, run_state = self._mi.last_stop, self._run_state
        if self._mi.running:
            return None
        if run_state in DEATHS:
            return self._confirm_death(run_state)
        return self._confirm_death(_FATAL[stop.signal]) if stop is not None and stop.signal in _FATAL else None


def _reason(stop: Stop | None) -> str:
    if stop is None:
        return ""
    if stop.breakpoint is not None:
        return f"breakpoint {stop.breakpoint}"
    return stop.signal or stop.watch or stop.reason.replace("-", " ")
