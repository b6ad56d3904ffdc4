"""A machine behind gdb's MI, let run."""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from pvhdbg.errors import NotConnected, TargetError
from pvhdbg.target.base import (
    DIED,
    ELSEWHERE,
    HIT,
    INTERRUPTED,
    RESET,
    RESET_VECTOR,
    RESET_VECTOR_PADDR,
    TIMEOUT,
    Halt,
    Target,
)
from pvhdbg.target.mi import MiError
from pvhdbg.target.monitor import DEATHS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pvhdbg.target.mi import Mi, Stop

# QEMU's stub tells its run states as signals; these two are the end of a guest.
_FATAL = {"SIGQUIT": "shutdown", "SIGABRT": "internal-error"}
_NUMBER = re.compile(r'\bbkpt=\{number="([0-9]+)"')
_LEAST = 4
"""Breakpoints that a CPU under KVM has; under TCG there is no limit."""
_STOPS_WITHIN, _STOPS_AGAIN = 5.0, 0.05
_ENDS_WITHIN = 2.0


class Hypervisor(Protocol):
    """What runs the guest, asked beside the stub."""

    def status(self) -> str | None:
        """QMP's run state, or null if there is no answer."""
        ...

    def stop(self) -> bool:
        """Stop the guest; False if there is no answer."""
        ...

    def find_error_line(self, words: str) -> str:
        """The last line of its error output with these words, or nothing."""
        ...

    def death(self, timeout: float = 0.0) -> Halt | None:
        """How the hypervisor itself ended, or null if it still runs after `timeout` seconds."""
        ...


class MiRunner:
    """Runner over MI. `hypervisor` is null for a stub whose machine is not ours; `may_reset` where that may boot again
    by itself.
    """

    def __init__(self, mi: Mi, target: Target, hypervisor: Hypervisor | None, *, may_reset: bool = False) -> None:
        self._may_reset = may_reset
        self._mi = mi
        self._target = target
        self._hypervisor = hypervisor
        self._dead: Halt | None = None
        self._interrupted = False

    def run_to(self, addresses: Collection[int], timeout: float) -> Halt:
        if (death := self.death()) is not None:
            return death
        self._interrupted = False
        with self._mi.suppress_output(), self.break_on_reset(len(addresses)):
            try:
                timed_out = self._run(addresses, timeout)
            except TargetError:
                if (death := self.death()) is not None:
                    return death
                raise
        return self.death() or self._judge(addresses, timed_out=timed_out)

    @contextmanager
    def break_on_reset(self, wanted: int = 0) -> Iterator[None]:
        """Within, a machine that may boot again by itself stops at its reset vector. Not if it stands there, and only
        if its CPU has a breakpoint left besides the user's and so many more that are `wanted`.
        """
        if not self._may_reset or self._target.register("rip") == RESET_VECTOR or self._taken() + wanted >= _LEAST:
            yield
            return
        numbers = self._arm([RESET_VECTOR_PADDR])
        try:
            yield
        finally:
            if not self._mi.running:
                self._disarm(numbers)

    def interrupt(self) -> None:
        """Stop the guest, from any thread and without waiting: `run_to` then answers INTERRUPTED."""
        self._interrupted = True
        threading.Thread(target=self._until_it_stops, name="pvhdbg-interrupt", daemon=True).start()

    def _until_it_stops(self) -> None:
        with suppress(TargetError):  # gdb or the machine has gone
            self._ask_to_stop()

    def death(self) -> Halt | None:
        """How the machine died, or null if it lives. Dead is a state: whatever resumes it hangs.

        :raise NotConnected: if that can't be known, for gdb has gone or was disconnected.
        """
        if self._dead is None:
            self._dead = self._find_death()
        return self._dead

    def _taken(self) -> int:
        return self._mi.wait(self._mi.send("-break-list")).line.count("bkpt={")

    def _run(self, addresses: Collection[int], timeout: float) -> bool:
        """Run, and whether that took too long."""
        numbers = self._arm(addresses)
        try:
            resumed = self._mi.send("-exec-continue")
            self._mi.wait(resumed)
            stopped = self._mi.wait_stop(timeout)
            self._mi.wait(resumed)  # gdb takes it back where a breakpoint can't be inserted
            if not stopped:
                self._halt()
        except BaseException:
            self._halt()
            raise
        finally:
            self._disarm(numbers)
        return not stopped

    def _arm(self, addresses: Collection[int]) -> list[str]:
        """The numbers of new breakpoints: all of them, or none.

        :raise MiError: with gdb's own words, if one can't be set.
        """
        numbers: list[str] = []
        try:
            for address in addresses:
                made = self._mi.wait(self._mi.send(f"-break-insert -h *{address:#x}"))
                numbers += _NUMBER.findall(made.line)
        except MiError:
            self._disarm(numbers)
            raise
        return numbers

    def _disarm(self, numbers: list[str]) -> None:
        if numbers:  # without one gdb deletes all, the user's too
            self._mi.send(f"-break-delete {' '.join(numbers)}")

    def _halt(self) -> None:
        if self._mi.running:
            self._ask_to_stop()
            self._mi.wait_stop(_STOPS_WITHIN)

    def _ask_to_stop(self) -> None:
        """Ask until it has stopped: a request is lost on a machine that stands still. gdb says that a guest runs before
        it does, and while gdb steps again and again it does for a small part of the time.
        """
        deadline = time.monotonic() + _STOPS_WITHIN
        while self._hypervisor is not None and self._hypervisor.stop():
            if self._mi.wait_stop(_STOPS_AGAIN) or time.monotonic() > deadline:
                return
        self._mi.interrupt()

    def _judge(self, addresses: Collection[int], *, timed_out: bool) -> Halt:
        if self._mi.running:
            return Halt(TIMEOUT, None, message="the guest runs and can't be stopped")
        rip = self._target.register("rip")
        if rip in addresses:
            return Halt(HIT, rip)
        if self._interrupted:
            return Halt(INTERRUPTED, rip)
        if timed_out:
            return Halt(TIMEOUT, rip)
        if rip == RESET_VECTOR:
            return Halt(RESET, rip)
        return Halt(ELSEWHERE, rip, message=_reason(self._mi.last_stop))

    def _find_death(self) -> Halt | None:
        self._mi.check()
        connected = self._mi.connected
        gone = self._hypervisor.death(0.0 if connected else _ENDS_WITHIN) if self._hypervisor else None
        if gone is not None:
            return gone
        if not connected:
            raise NotConnected("gdb is not connected to a machine")
        stop = self._mi.last_stop
        if self._mi.running or stop is None or stop.signal not in _FATAL:
            return None
        return self._confirm(_FATAL[stop.signal])

    def _confirm(self, suspected: str) -> Halt | None:
        """A signal is the stub's word; the run state is the machine's."""
        status = self._hypervisor.status() if self._hypervisor else None
        if (status or suspected) not in DEATHS:
            return None
        how, message = DEATHS[status or suspected]
        words = self._hypervisor.find_error_line("KVM internal error") if self._hypervisor else ""
        return Halt(DIED, self._target.register("rip"), how, words or message)


def _reason(stop: Stop | None) -> str:
    if stop is None:
        return ""
    if stop.breakpoint is not None:
        return f"breakpoint {stop.breakpoint}"
    return stop.signal or stop.reason.replace("-", " ")
