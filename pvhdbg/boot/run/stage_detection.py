"""Find out which stages a guest passed while it ran unobserved, from RIP and the data that its kernel filled in."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import E820Table
from pvhdbg.abi.setup_header import SetupHeader
from pvhdbg.boot.run.image_match import is_kernel_running, was_reset
from pvhdbg.boot.run.observed_calls import CALLERS
from pvhdbg.boot.stop import stages
from pvhdbg.errors import TargetError
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pvhdbg.boot.run.observed_calls import ObservedCall
    from pvhdbg.boot.stop.address import Addresses
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target

_BETWEEN_RETURN_AND_COPY = (
    *("startup_64", "__startup_64", "x86_64_start_kernel", "clear_bss", "copy_bootdata", "reset_early_page_tables"),
    *("early_idt_handler_common", "do_early_exception"),
)
"""Functions that Linux runs before it copies pvh_bootparams to boot_params. On an unsupported CPU, it halts in them."""
_PREPARES = ("xen_prepare_pvh", "init_pvh_bootparams", "mem_map_via_hcall", "xen_pvh_init")


def went_back(
    machine: Target, stage: Stage | None, done: int, last: Sequence[Capture], *, can_reset: bool = True
) -> bool:
    """Return whether the machine was reset: it is at an earlier point than the last of `done` stages.

    `stage` is the stage that the machine is at, `last` has the last capture, if there is one. With `can_reset` False,
    QEMU stops instead of a reset: a guest that is in real mode has turned off protected mode itself.
    """
    if not done:
        return False
    if stage is not None:
        return stages.NAMES.index(stage.name) < done - 1
    return can_reset and was_reset(machine, last[0].registers if last else {})


class StageDetector(NamedTuple):
    """The input of the detection. `location` is RIP as symbol+offset; `calls` has the observed calls by symbol."""

    target: Target
    image: ImageFacts
    addresses: Addresses
    location: str
    calls: Mapping[str, ObservedCall]

    def count_passed(self, known: int) -> int:
        """Return how many stages, counted from the first, the guest has passed; at least `known`."""
        if not is_kernel_running(self.target, self.image):
            return known
        known = max(known, self._count_entered())
        for count, has_passed in reversed(_EVIDENCE if self.image.profile.boots_like_linux else _EVIDENCE[:1]):
            if count <= known:
                break
            with suppress(TargetError):
                if has_passed(self):
                    return count
        return known

    def _count_entered(self) -> int:
        """Return how many stages have passed because the guest is inside a function that begins at a stage."""
        counts = (
            count
            for count, stage in enumerate(stages.of(self.image), 1)
            if stage.symbol is not None and not stage.returns and self.is_inside_call(stage.symbol)
        )
        with suppress(TargetError):
            return max(counts, default=0)
        return 0

    def number(self, symbol: str, offset: int, size: int) -> int:
        """Read a little-endian number of `size` bytes at an offset in the variable `symbol`."""
        paddr = self.addresses.symbol(symbol) + offset
        return int.from_bytes(self.target.read_phys(paddr, size), "little")

    def is_at(self, symbol: str) -> bool:
        """Return whether RIP is at the first instruction of a function."""
        return self.target.register("rip") in self.image.aliases(self.target.symbol(symbol))

    def is_in(self, symbol: str) -> bool:
        """Return whether RIP is in a function, after its first instruction."""
        return self.location.startswith(f"{symbol}+")

    def is_inside_call(self, symbol: str) -> bool:
        """Return whether an observed call of the function has not returned yet."""
        call = self.calls.get(symbol)
        return call is not None and not call.has_returned(self.target)


def _e820(detector: StageDetector) -> bool:
    if detector.is_inside_call("e820__memory_setup"):
        return False
    table = detector.addresses.pointer("e820_table")
    return E820Table(detector.target.read_phys(table, E820Table.SIZE), table).nr_entries > 0


def _kernel(detector: StageDetector) -> bool:
    """Return whether start_kernel has begun: it first marks the boot CPU as online."""
    if detector.is_in("start_kernel") or detector.is_at("e820__memory_setup") or "e820__memory_setup" in detector.calls:
        return True
    return bool(detector.number("__cpu_online_mask", 0, 1))


def _bootparams(detector: StageDetector) -> bool:
    if detector.is_inside_call("xen_prepare_pvh"):
        return False
    if any(map(detector.is_in, CALLERS)):
        return _is_filled_in(detector, "pvh_bootparams")
    function = detector.location.partition("+")[0]
    return function in _BETWEEN_RETURN_AND_COPY or _is_filled_in(detector, "boot_params")


def _prepare(detector: StageDetector) -> bool:
    return any(map(detector.is_in, _PREPARES)) or _is_filled_in(detector, "pvh_bootparams")


def _is_filled_in(detector: StageDetector, symbol: str) -> bool:
    """Return whether the kernel has filled in a struct boot_params: type_of_loader is 0 before."""
    return bool(detector.number(symbol, _LOADER, 1))


_LOADER = BootParams.hdr.offset + SetupHeader.type_of_loader.offset
_EVIDENCE: tuple[tuple[int, Callable[[StageDetector], bool]], ...] = tuple(
    (stages.NAMES.index(name) + 1, has_passed)
    for name, has_passed in (
        ("entry", lambda _: True),
        ("prepare", _prepare),
        ("bootparams", _bootparams),
        ("kernel", _kernel),
        ("e820", _e820),
    )
)
