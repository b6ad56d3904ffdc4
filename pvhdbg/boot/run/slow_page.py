"""Keep breakpoints out of the page in which Linux clears its BSS: in such a page, QEMU's TCG is slow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pvhdbg.boot.run.image_match import runs_on_xen
from pvhdbg.boot.run.xen_domains import KernelRunner
from pvhdbg.errors import SymbolMissing, TargetError
from pvhdbg.target.base import ELSEWHERE, HIT, TIMEOUT, Halt, ReturnRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Runner, Target

CLEARS_BSS = "clear_bss"
"""The function that clears megabytes with one `rep stos`. Source: Linux arch/x86/kernel/head64.c."""
_PAGE_BITS = 12


class SlowPageRunner(KernelRunner):
    """Runs until the kernel is at an address, and sets a breakpoint in the page of `clear_bss` only after its return.

    In a page with a breakpoint, TCG executes each repetition of `rep stos` by itself. Debian's Linux 6.1 has
    start_kernel in the page of clear_bss: the breakpoint would cost 100 ms.

    `symbols` returns the Target whose symbols are those of the kernel in memory.
    """

    def __init__(
        self, target: Target, runner: Runner, image: Callable[[], ImageFacts | None], symbols: Callable[[], Target]
    ) -> None:
        super().__init__(target, runner, image)
        self._symbols = symbols

    def run_to(self, addresses: Collection[int], timeout: float) -> Halt:
        """See Runner."""
        deadline = time.monotonic() + timeout
        halt = self._leave_slow_page(addresses, deadline)
        return halt or super().run_to(addresses, _until(deadline))

    def _leave_slow_page(self, addresses: Collection[int], deadline: float) -> Halt | None:
        """Run to the return from clear_bss. Return None if the guest has to run on to the addresses."""
        runner = self._runner
        if not isinstance(runner, ReturnRunner) or not runner.has_slow_pages:
            return None
        slow = self._slow_functions(addresses)
        if not slow:
            return None
        halt = super().run_to([*addresses, *slow], _until(deadline))
        if halt.kind != HIT or halt.rip in addresses:
            return halt
        if halt.message:
            return halt._replace(kind=ELSEWHERE)
        try:
            halt = runner.run_to_return(_until(deadline))
        except TargetError:  # gdb may not be able to set the watchpoint
            return None
        return None if halt.kind in (HIT, TIMEOUT) and halt.rip not in addresses else halt

    def _slow_functions(self, addresses: Collection[int]) -> Collection[int]:
        """Return the addresses of clear_bss if it shares a page with one of `addresses`."""
        image = self._image()
        if image is None or runs_on_xen(self._target):
            return ()
        try:
            slow = image.aliases(self._symbols().symbol(CLEARS_BSS))
        except SymbolMissing:
            return ()
        pages = {address >> _PAGE_BITS for address in slow}
        shares_page = any(address >> _PAGE_BITS in pages for address in addresses)
        return slow if shares_page and not {*slow} & {*addresses} else ()


def _until(deadline: float) -> float:
    """Return how many seconds are left; 0 after the deadline."""
    return max(deadline - time.monotonic(), 0.0)
