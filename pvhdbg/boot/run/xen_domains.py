"""The kernel as one guest of a Xen that itself runs in the machine: tell it from Xen and from other guests."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.boot.run.image_match import WithoutSymbols, matches, runs_on_xen
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.read import read_capture
from pvhdbg.errors import TargetError
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target.base import HIT
from pvhdbg.target.nested import IN_XEN, XEN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.absent import AbsentMemory
    from pvhdbg.target.base import Halt, Runner, Target

_LEFT = "the CPU executes Xen: the registers are those of the guest before Xen interrupted it"
_ANOTHER = "the CPU executes another guest of Xen than this kernel"
GDB_LIMIT = (
    "the kernel runs on Xen in this machine: gdb's own commands (x, print, bt, disassemble) do not see its memory, "
    "pvhdbg's commands do"
)


class Now(NamedTuple):
    """What the CPU executes. `why_not` is why it is not the kernel, or None. `has_left`: Xen has interrupted it."""

    why_not: str | None
    has_left: bool

    @property
    def remark(self) -> str | None:
        """What the user must know about a capture of this moment."""
        return self.why_not or (_LEFT if self.has_left else None)


IN_KERNEL = Now(None, has_left=False)


def observe(target: Target, image: ImageFacts | None) -> Now:
    """Find out whether the machine executes the kernel. If it executes Xen, show the registers of its guest."""
    is_on_xen, rip = runs_on_xen(target), target.register("rip")
    is_xen = rip in XEN and (is_on_xen or (image is not None and image.to_vaddr(rip) is None))
    if is_xen and not (is_on_xen and _show_guest(target)):
        return Now(IN_XEN, has_left=False)
    is_another = is_on_xen and image is not None and matches(target, image) is False
    return Now(_ANOTHER if is_another else None, has_left=is_xen)


def capture(target: Target) -> Capture:
    """Capture the registers of a machine that does not execute the kernel."""
    return read_capture(WithoutSymbols(target), stages.XEN, None, None)


def rule_out(target: Target, *, is_loaded: bool) -> None:
    """Remember that there is no Xen, if the kernel is loaded and SVM is off: a kernel may enable SVM later itself.

    Forget that if the kernel is not loaded, because the machine was reset.
    """
    nested = getattr(target, "nested", None)
    if nested is not None:
        nested.is_ruled_out = is_loaded and (nested.is_ruled_out or not runs_on_xen(target))


def _show_guest(target: Target) -> bool:
    show = getattr(target, "show_guest", None)
    with suppress(TargetError):
        return show is not None and bool(show())
    return False


class KernelRunner:
    """Runs until the kernel is at an address: Xen may run other guests that have code at the same address.

    `image` returns the kernel.
    """

    def __init__(self, target: Target, runner: Runner, image: Callable[[], ImageFacts | None]) -> None:
        self._target = target
        self._runner = runner
        self._image = image

    def run_to(self, addresses: Collection[int], timeout: float) -> Halt:
        """See Runner."""
        deadline = time.monotonic() + timeout
        while True:
            halt = self._runner.run_to(addresses, max(deadline - time.monotonic(), 0.0))
            if halt.kind != HIT or halt.message or not self._is_in_another():
                return halt

    def hide(self, absent: AbsentMemory) -> None:
        """Hide memory from the guest, if the Runner can do that. gdb's can't."""
        if (hide := getattr(self._runner, "hide", None)) is not None:
            hide(absent)

    def _is_in_another(self) -> bool:
        image = self._image()
        if image is None or not runs_on_xen(self._target):
            return False
        return matches(self._target, image) is False
