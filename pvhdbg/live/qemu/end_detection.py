"""Detect that a running guest has ended: its kernel has panicked, it has halted for good, or it has left its code.

This needs no breakpoint: the user may need all hardware breakpoints.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pvhdbg.boot.record.document import HALTED, PANICKED, RUNAWAY
from pvhdbg.boot.run import ending
from pvhdbg.target import monitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.live.qemu.process import Qemu

_SLICE = 0.1
"""Seconds between two reads of the console."""
_FIRST, _OFTEN, _RARELY, _LONG = 0.5, 1.0, 5.0, 60.0
"""Seconds until QEMU is asked for the first time, and between two times: _RARELY after the guest has run for _LONG."""

_STATE = "info registers -a", f"x /{1 + ending.ZERO_BYTES}xb $pc-1"
"""What to ask QEMU's monitor: the state of all CPUs, and the code at RIP, from one byte before it on."""


class EndDetector:
    """Detects the end of the guest during one run. `panic_cpu` is the address of `ending.PANIC_CPU`, if it is known."""

    def __init__(self, qemu: Qemu, panic_cpu: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._qemu = qemu
        self._panic_cpu = panic_cpu
        self._read = qemu.serial.end
        self._start = self._clock()
        self._next = self._start + _FIRST
        self._seen: str | None = None

    @property
    def seconds(self) -> float:
        """How long the run has lasted."""
        return self._clock() - self._start

    def wait_stop(self, wait_stop: Callable[[float], bool]) -> str | None:
        """Wait until the guest stops, and return None. If it ends first, return PANICKED, HALTED or RUNAWAY.

        `wait_stop` waits up to some seconds, and returns whether the guest has stopped.
        """
        while not wait_stop(_SLICE):
            ended = self._ended()
            if ended in (HALTED, RUNAWAY) or (ended == PANICKED and not self._is_stopped_before_quiet(wait_stop)):
                return ended
        return None

    def _ended(self) -> str | None:
        """Return PANICKED, HALTED or RUNAWAY; None if the guest may still continue."""
        if self._has_printed_panic():
            return PANICKED
        now = self._clock()
        if now < self._next:
            return None
        self._next = now + (_OFTEN if now - self._start < _LONG else _RARELY)
        return self._ask_qemu()

    def _is_stopped_before_quiet(self, wait_stop: Callable[[float], bool]) -> bool:
        """Wait until the console is quiet, because a panic prints more. Return whether the guest stopped earlier."""
        deadline, before = self._clock() + ending.PANIC_PRINTS_WITHIN, -1
        while self._qemu.serial.end != before and self._clock() < deadline:
            before = self._qemu.serial.end
            if wait_stop(ending.QUIET):
                return True
        return False

    def _has_printed_panic(self) -> bool:
        """Return whether the console has a panic since the start of this run. Only complete lines count."""
        data, end = self._qemu.serial.since(self._read)
        complete, newline, rest = data.rpartition(b"\n")
        if newline or len(rest) > ending.MAX_OUTPUT:
            self._read = end - len(rest) * bool(newline)
        return ending.panic_text(ending.output_lines(complete)) is not None

    def _ask_qemu(self) -> str | None:
        """Ask QEMU for the state of all CPUs, for the code at RIP, and for the value of `panic_cpu`.

        An interrupt may wake a CPU of a running guest that seems to have halted, and RIP may be old while the guest
        runs: ask a second time to be sure.
        """
        commands = [*_STATE, *([f"xp /4xb {self._panic_cpu:#x}"] if self._panic_cpu is not None else [])]
        answers = self._qemu.monitor(commands)
        if answers is None:
            return None
        if len(answers) > len(_STATE) and monitor.parse_memory(answers[-1]) not in (b"", ending.NO_CPU):
            return PANICKED
        seen, self._seen = self._seen, _state(*answers[: len(_STATE)])
        if self._seen is not None and self._seen != seen:
            self._next = self._clock()
        return self._seen if self._seen == seen else None


def _state(registers: str, code: str) -> str | None:
    """Return HALTED or RUNAWAY if the guest seems to have ended, according to QEMU's monitor; None otherwise."""
    if monitor.count_cpus(registers).get(monitor.RUNNING) == 0:
        return HALTED
    return RUNAWAY if ending.is_no_code(monitor.parse_memory(code)) else None
