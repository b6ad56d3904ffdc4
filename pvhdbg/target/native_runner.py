"""The Runner for code that runs inside gdb."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import gdb

from pvhdbg.errors import TargetError
from pvhdbg.target import monitor
from pvhdbg.target.base import (
    DIED,
    DOMAIN_CRASH,
    ELSEWHERE,
    HIT,
    INTERRUPTED,
    KVM_BREAKPOINTS,
    QEMU_EXIT,
    RESET,
    RESET_VECTOR,
    RESET_VECTOR_PADDR,
    TIMEOUT,
    Halt,
)
from pvhdbg.target.gdb_native import as_target_error, boot_cpu

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pvhdbg.target.gdb_native import NativeTarget

_HARDWARE = getattr(gdb, "BP_HARDWARE_BREAKPOINT", None)
"""None in gdb 10, which can set hardware breakpoints only with a command."""

_NOT_RUN = "Command aborted."
"""The text of an error for which gdb has already printed a message."""


class NativeRunner:
    """A Runner inside gdb. The user's breakpoints, breakpoint commands and hooks work as they do with `continue`."""

    def __init__(self, target: NativeTarget) -> None:
        self._target = target

    def run_to(self, addresses: Collection[int], timeout: float) -> Halt:
        if (death := self.death()) is not None:
            return death
        alarm = _Alarm(timeout)
        breakpoints = [*addresses, *self._reset_vector(len(addresses))]
        with _hardware_breakpoints(breakpoints), _record_stops() as stops, alarm.set():
            if (exited := _resume()) is not None:
                return exited
        return self.death() or self._judge(addresses, stops, timed_out=alarm.rang)

    def death(self) -> Halt | None:
        """Return how the machine died; None if it is alive, or if the stub has no monitor.

        :raise NotConnected: if there is no machine.
        """
        rip = self._target.register("rip")
        found = None
        with suppress(TargetError):
            status = monitor.parse_run_state(self._target.monitor("info status"))
            if status in monitor.DEATHS:
                found = monitor.describe_death(status, _count_cpus(self._target).get(monitor.OTHERS_RUNNING, 0))
            elif self._target.is_in_xen() and not _count_cpus(self._target).get(monitor.RUNNING, 1):
                found = DOMAIN_CRASH, monitor.HALTED_BY_XEN
        return Halt(DIED, rip, *found) if found else None

    def _reset_vector(self, wanted: int) -> list[int]:
        """Return the address of the breakpoint that detects a reset.

        Return no address if the machine is at its reset vector now, or if the user's breakpoints and `wanted` more use
        all hardware breakpoints.
        """
        if self._target.register("rip") == RESET_VECTOR or len(_enabled_breakpoints()) + wanted >= KVM_BREAKPOINTS:
            return []
        return [RESET_VECTOR_PADDR]

    def _judge(self, addresses: Collection[int], stops: list[gdb.StopEvent], *, timed_out: bool) -> Halt:
        """Find out why the machine stopped. Check RIP first, because KVM may report a breakpoint as another stop."""
        rip = self._target.register("rip")
        if rip in addresses:
            return Halt(HIT, rip, message=_users_breakpoints(stops))
        if timed_out:
            return Halt(TIMEOUT, rip)
        if rip == RESET_VECTOR:
            return Halt(RESET, rip)
        last = stops[-1] if stops else None
        if last is None or getattr(last, "stop_signal", None) == "SIGINT":
            return Halt(INTERRUPTED, rip)
        return Halt(ELSEWHERE, rip, message=_reason(last))


def _count_cpus(target: NativeTarget) -> dict[str, int]:
    return monitor.count_cpus(target.monitor("info registers -a"))


class _Alarm:
    """A timer that interrupts the guest. `rang` is true afterwards."""

    def __init__(self, seconds: float) -> None:
        self.rang = False
        self._seconds = max(seconds, 0.0)
        self._is_set = False

    @contextmanager
    def set(self) -> Iterator[None]:
        from threading import Timer

        # gdb runs posted functions in its own thread, even while it waits for the guest.
        timer = Timer(self._seconds, gdb.post_event, [self._ring])
        timer.daemon = True
        self._is_set = True
        with _signals_blocked():
            timer.start()
        try:
            yield
        finally:
            self._is_set = False
            timer.cancel()

    def _ring(self) -> None:
        if self._is_set:
            self.rang = True
            gdb.execute("interrupt", to_string=True)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Within the block, block all signals. A thread that is started here inherits this: gdb still gets all signals."""
    import signal

    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _resume() -> Halt | None:
    """Run the guest until it stops. If QEMU exits, return the death, otherwise None."""
    try:
        gdb.execute("continue")
    except gdb.error as error:
        if str(error) == _NOT_RUN:
            raise TargetError(
                "gdb can't insert a breakpoint",
                "delete a breakpoint: under KVM, a CPU has only four, and gdb printed which one failed",
            ) from error
        if boot_cpu() is not None:
            raise as_target_error(error) from error
    return None if boot_cpu() is not None else Halt(DIED, None, QEMU_EXIT, "QEMU exited or closed its gdb stub")


@contextmanager
def _hardware_breakpoints(addresses: Collection[int]) -> Iterator[None]:
    """Within the block, set hardware breakpoints. They are internal: gdb neither lists them nor reports their hits."""
    breakpoints: list[gdb.Breakpoint] = []
    try:
        for address in addresses:
            breakpoints += _set_breakpoint(f"*{address:#x}")
        yield
    finally:
        for breakpoint_ in breakpoints:
            if breakpoint_.is_valid():
                breakpoint_.delete()


def _set_breakpoint(location: str) -> list[gdb.Breakpoint]:
    try:
        if _HARDWARE is not None:
            breakpoints = [gdb.Breakpoint(location, type=_HARDWARE, internal=True)]
        else:
            before = {breakpoint_.number for breakpoint_ in gdb.breakpoints()}
            gdb.execute(f"hbreak {location}", to_string=True)
            breakpoints = [breakpoint_ for breakpoint_ in gdb.breakpoints() if breakpoint_.number not in before]
    except gdb.error as error:
        raise as_target_error(error) from error
    for breakpoint_ in breakpoints:
        breakpoint_.silent = True
    return breakpoints


@contextmanager
def _record_stops() -> Iterator[list[gdb.StopEvent]]:
    """Within the block, append each stop of the machine to the list."""
    stops: list[gdb.StopEvent] = []
    gdb.events.stop.connect(stops.append)
    try:
        yield stops
    finally:
        gdb.events.stop.disconnect(stops.append)


def _enabled_breakpoints() -> list[gdb.Breakpoint]:
    """Return the user's enabled breakpoints, without internal breakpoints."""
    return [breakpoint_ for breakpoint_ in gdb.breakpoints() or () if breakpoint_.enabled]


def _reason(stop: gdb.StopEvent) -> str:
    if isinstance(stop, gdb.BreakpointEvent):
        return " and ".join(_name(breakpoint_) for breakpoint_ in stop.breakpoints if breakpoint_.is_valid())
    return getattr(stop, "stop_signal", "a stop without a reason from gdb")


def _users_breakpoints(stops: list[gdb.StopEvent]) -> str:
    """Return the names of the user's breakpoints at the address of the last stop; empty if there are none.

    Internal breakpoints have negative numbers.
    """
    stop = stops[-1] if stops else None
    hit = stop.breakpoints if isinstance(stop, gdb.BreakpointEvent) else ()
    return " and ".join(_name(breakpoint_) for breakpoint_ in hit if breakpoint_.is_valid() and breakpoint_.number > 0)


def _name(breakpoint_: gdb.Breakpoint) -> str:
    if breakpoint_.expression:
        return f"watchpoint {breakpoint_.number} ({breakpoint_.expression})"
    return f"breakpoint {breakpoint_.number}" + (f" ({breakpoint_.location})" if breakpoint_.location else "")
