"""The machine behind the gdb that this runs in, let run."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import gdb

from pvhdbg.errors import TargetError
from pvhdbg.target import monitor
from pvhdbg.target.base import (
    DIED,
    ELSEWHERE,
    HIT,
    INTERRUPTED,
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
"""Null in gdb 10, which makes them by command only."""

_LEAST_BREAKPOINTS = 4
"""What a CPU under KVM has; under TCG there is no limit."""

_NOT_RUN = "Command aborted."
"""All that is left of an error once gdb has printed it."""


class NativeRunner:
    """Runner inside gdb. What is the user's own (breakpoints, their commands, hooks) works as at any `continue`."""

    def __init__(self, target: NativeTarget) -> None:
        self._target = target

    def run_to(self, addresses: Collection[int], timeout: float) -> Halt:
        if (death := self.death()) is not None:
            return death
        alarm = _Alarm(timeout)
        with _armed([*addresses, *self._watched(len(addresses))]), _last_stop() as stops, alarm.set():
            if (gone := _resume()) is not None:
                return gone
        return self.death() or self._judge(addresses, stops, timed_out=alarm.rang)

    def death(self) -> Halt | None:
        """How the machine died, or null if it lives, or if there is no monitor to ask.

        :raise NotConnected: if there is no machine.
        """
        rip = self._target.register("rip")
        status = None
        with suppress(TargetError):
            status = monitor.parse_run_state(self._target.monitor("info status"))
        if status not in monitor.DEATHS:
            return None
        how, message = monitor.DEATHS[status]
        return Halt(DIED, rip, how, message)

    def _watched(self, wanted: int) -> list[int]:
        """Where a guest that is reset comes by. Not where it stands, and only if the CPU has a breakpoint left."""
        if self._target.register("rip") == RESET_VECTOR or len(_users()) + wanted >= _LEAST_BREAKPOINTS:
            return []
        return [RESET_VECTOR_PADDR]

    def _judge(self, addresses: Collection[int], stops: list[gdb.StopEvent], *, timed_out: bool) -> Halt:
        """By RIP: KVM may report a breakpoint as something else."""
        rip = self._target.register("rip")
        if rip in addresses:
            return Halt(HIT, rip)
        if timed_out:
            return Halt(TIMEOUT, rip)
        if rip == RESET_VECTOR:
            return Halt(RESET, rip)
        last = stops[-1] if stops else None
        if last is None or getattr(last, "stop_signal", None) == "SIGINT":
            return Halt(INTERRUPTED, rip)
        return Halt(ELSEWHERE, rip, message=_reason(last))


class _Alarm:
    """Stops the guest when the time is up."""

    def __init__(self, seconds: float) -> None:
        self.rang = False
        self._seconds = max(seconds, 0.0)
        self._is_set = False

    @contextmanager
    def set(self) -> Iterator[None]:
        from threading import Timer

        # gdb runs what is posted in its own thread, and does so while it waits for the guest.
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
    """A thread that is started within gets none: they are gdb's."""
    import signal

    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _resume() -> Halt | None:
    """Let the guest run until it stops. Null, unless the hypervisor ends meanwhile."""
    try:
        gdb.execute("continue")
    except gdb.error as error:
        if str(error) == _NOT_RUN:
            raise TargetError("a breakpoint can't be inserted", "gdb says which; a CPU under KVM has four") from error
        if boot_cpu() is not None:
            raise as_target_error(error) from error
    return None if boot_cpu() is not None else Halt(DIED, None, QEMU_EXIT, "QEMU has gone, or closed its stub")


@contextmanager
def _armed(addresses: Collection[int]) -> Iterator[None]:
    """Hardware breakpoints of our own, which gdb neither lists nor tells of."""
    armed: list[gdb.Breakpoint] = []
    try:
        for address in addresses:
            armed += _hardware_breakpoint(f"*{address:#x}")
        yield
    finally:
        for each in armed:
            if each.is_valid():
                each.delete()


def _hardware_breakpoint(spec: str) -> list[gdb.Breakpoint]:
    try:
        if _HARDWARE is not None:
            made = [gdb.Breakpoint(spec, type=_HARDWARE, internal=True)]
        else:
            before = {each.number for each in gdb.breakpoints()}
            gdb.execute(f"hbreak {spec}", to_string=True)
            made = [each for each in gdb.breakpoints() if each.number not in before]
    except gdb.error as error:
        raise as_target_error(error) from error
    for each in made:
        each.silent = True
    return made


@contextmanager
def _last_stop() -> Iterator[list[gdb.StopEvent]]:
    """Every stop of the machine within, the last of which counts."""
    stops: list[gdb.StopEvent] = []
    gdb.events.stop.connect(stops.append)
    try:
        yield stops
    finally:
        gdb.events.stop.disconnect(stops.append)


def _users() -> list[gdb.Breakpoint]:
    return [each for each in gdb.breakpoints() or () if each.enabled]


def _reason(stop: gdb.StopEvent) -> str:
    if isinstance(stop, gdb.BreakpointEvent):
        return " and ".join(_name(each) for each in stop.breakpoints if each.is_valid())
    return getattr(stop, "stop_signal", "a stop that gdb gives no reason for")


def _name(of: gdb.Breakpoint) -> str:
    if of.expression:
        return f"watchpoint {of.number} ({of.expression})"
    return f"breakpoint {of.number}" + (f" ({of.location})" if of.location else "")
