"""Observe how a kernel asks Xen for its memory map, on the way to the return from xen_prepare_pvh."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import ZERO_PAGE_ENTRIES, BootE820Entry
from pvhdbg.boot.stop.capture import Hypercall
from pvhdbg.boot.stop.hypercall import with_answer
from pvhdbg.boot.stop.protocols import NO_MAP
from pvhdbg.errors import SymbolMissing, TargetError
from pvhdbg.target.base import ELSEWHERE, HIT, Halt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pvhdbg.boot.stop.address import Addresses
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.target.base import Runner, Target

ASKS = "mem_map_via_hcall"
"""The function that asks for the map. Source: Linux arch/x86/xen/enlighten_pvh.c; the teaching guest has it too."""
_CALLS_XEN = (
    ("xen_hypercall_amd", 0),
    ("xen_hypercall_intel", 0),
    ("xen_hypercall_hvm", 0),
    ("hypercall_page", 12 * 32),
)
"""Where a kernel calls Xen: a function, or entry 12 of the hypercall page, whose entries have 32 bytes each."""


class HypercallObserver:
    """Runs a guest that may call `mem_map_via_hcall`. `call` is the hypercall; None before the guest made it.

    `target` returns the Target with the right symbols, `now` the current translation of addresses.
    """

    def __init__(self, target: Callable[[], Target], runner: Runner, now: Callable[[], Addresses]) -> None:
        self._find_target = target
        self._runner = runner
        self._now = now
        self._deadline = 0.0
        self.call: Hypercall | None = None

    def run_to(self, end: Collection[int], deadline: float, history: Sequence[Capture]) -> Halt:
        """Run to one of the addresses `end`. `deadline` is a time of time.monotonic().

        Observe the hypercall if the kernel needs it: the last stop shows that there is no map.
        """
        self._deadline, self.call = deadline, None
        memory_map = history[-1].memory_map if history else None
        if memory_map is None or memory_map.protocol != NO_MAP:
            return self._run_to(end)
        asks, calls = self._addresses(((ASKS, 0),)), self._addresses(_CALLS_XEN)
        if not asks or not calls:
            return self._run_to(end)
        halt = self._run_to([*asks, *end])
        if halt.rip not in asks or _is_over(halt):
            return _as_elsewhere(halt, end)
        halt = self._run_to([*calls, self._now().return_address()])
        if halt.rip in calls and not _is_over(halt):
            halt = self._observe(halt)
        return _as_elsewhere(halt, end) if _is_over(halt) else self._run_to(end)

    def with_answer(self, capture: Capture) -> Capture:
        """Return the capture with Xen's answer if it is at the stage that follows the hypercall."""
        return with_answer(capture, self.call) if capture.stage == "bootparams" else capture

    def _run_to(self, addresses: Collection[int]) -> Halt:
        return self._runner.run_to(addresses, max(self._deadline - time.monotonic(), 0.0))

    def _observe(self, at: Halt) -> Halt:
        """Run to the return from the hypercall. The guest is at the instruction or function that calls Xen."""
        target, addresses = self._find_target(), self._now()
        register = target.register
        argument = addresses.physical(register("rsi"))
        room, buffer = self._number(argument, 4), self._number(argument + 8, 8)
        operation = register("rdi")
        halt = self._run_to([addresses.return_address()])
        if halt.kind == HIT:
            with suppress(TargetError):
                count, paddr = self._number(argument, 4), self._now().physical(buffer)
                raw = self._find_target().read_phys(paddr, min(count, ZERO_PAGE_ENTRIES) * BootE820Entry.SIZE)
                result = _signed(register("rax"))
                self.call = Hypercall(at.rip or 0, operation, room, buffer, paddr, result, count, raw)
        return halt

    def _number(self, paddr: int, size: int) -> int:
        return int.from_bytes(self._find_target().read_phys(paddr, size), "little")

    def _addresses(self, places: Sequence[tuple[str, int]]) -> list[int]:
        found = []
        for name, offset in places:
            with suppress(SymbolMissing):
                found.append(self._find_target().symbol(name) + offset)
        return found


def _is_over(halt: Halt) -> bool:
    """Return whether the run ends here: the guest reached no address, or the user has a breakpoint there."""
    return halt.kind != HIT or bool(halt.message)


def _as_elsewhere(halt: Halt, end: Collection[int]) -> Halt:
    return halt if halt.kind != HIT or halt.rip in end else halt._replace(kind=ELSEWHERE)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
