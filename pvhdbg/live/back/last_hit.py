"""Find the last hit of the user's breakpoints and watchpoints before a place: count the hits after a snapshot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pvhdbg.lazy_pattern import pattern
from pvhdbg.live.back.places import is_at

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.live.debuggee.own_machine import OwnMachine

_NUMBER = pattern(r'\bbkpt=\{number="([0-9]+)"')


def count_hits(machine: OwnMachine, here: Capture, limit: float) -> int | None:
    """Return how often the user's breakpoints and watchpoints stop the guest before it gets `here`.

    None if the guest does not get there within `limit` seconds, or if watchpoints may have been missed: when gdb steps
    off a breakpoint, here the one at RIP, a watchpoint that this instruction triggers is not reported.
    """
    deadline = time.monotonic() + limit
    reply = machine.gdb.ask(f"-break-insert -h *{here.registers['rip']:#x}")
    (own,) = _NUMBER.findall(reply.line)
    has_watchpoints = "watchpoint" in machine.gdb.ask("-break-list").line
    hits = 0
    try:
        while _continue_unseen(machine, deadline):
            if is_at(machine.target, here):
                return hits
            stop = machine.gdb.last_stop
            is_hit = stop is not None and stop.breakpoint != own
            if has_watchpoints and not is_hit:
                return None
            hits += is_hit
        return None
    finally:
        machine.gdb.send(f"-break-delete {own}")


def run_hits(machine: OwnMachine, count: int, limit: float) -> bool:
    """Run until the user's breakpoints and watchpoints have stopped the guest `count` times; False if they did not."""
    deadline = time.monotonic() + limit
    is_going = all(_continue_unseen(machine, deadline) for _ in range(count - 1))
    return is_going and (not count or _continue(machine, deadline - time.monotonic()))


def _continue_unseen(machine: OwnMachine, deadline: float) -> bool:
    """Like `_continue`, but do not show what gdb prints about the stop: it is not where the user will be."""
    with machine.gdb.suppress_output():
        return _continue(machine, deadline - time.monotonic())


def _continue(machine: OwnMachine, timeout: float) -> bool:
    """Run to the next stop. Return False if the guest died, or had to be interrupted after `timeout` seconds."""
    if timeout <= 0:
        return False
    machine.gdb.ask("-exec-continue")
    if machine.gdb.wait_stop(timeout):
        return machine.runner.death() is None
    machine.runner.interrupt()
    machine.gdb.wait_stop(timeout)
    return False
