"""How far a guest has come that ran while nobody looked: by what its kernel has filled in, and where it stands."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import E820Table
from pvhdbg.abi.setup_header import SetupHeader
from pvhdbg.boot.run.image_match import is_entered
from pvhdbg.boot.stop import stages
from pvhdbg.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pvhdbg.boot.stop.address import Addresses
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target

_BETWEEN_RETURN_AND_COPY = (
    *("startup_64", "__startup_64", "x86_64_start_kernel", "clear_bss", "copy_bootdata", "reset_early_page_tables"),
    *("early_idt_handler_common", "do_early_exception"),
)
"""Where Linux is before it copies pvh_bootparams to boot_params: a CPU that it can't start on waits there."""
_CALLERS = ("pvh_start_xen", "pvh_start_64")
"""The code that calls xen_prepare_pvh, Linux's and the teaching guest's; what it fills in is there once it is back."""
_PREPARES = ("xen_prepare_pvh", "init_pvh_bootparams", "mem_map_via_hcall", "xen_pvh_init")
_DEEPEST = 0x1000
"""Bytes of stack that a caller may have above the frame it called."""


class Return(NamedTuple):
    """A call that was seen: where it returns to, and the physical and the own address of that word on the stack."""

    address: int
    slot_paddr: int
    slot: int

    def is_over(self, target: Target) -> bool:
        """Whether the function has returned: its caller's word is gone, or the stack pointer is above it."""
        raw = target.read_phys(self.slot_paddr, 4)
        rsp = target.register("rsp")
        return raw != (self.address & 0xFFFFFFFF).to_bytes(4, "little") or self.slot < rsp <= self.slot + _DEEPEST


class Progress(NamedTuple):
    """What is asked: the machine, its image, where things are, the name of the code at RIP, and the calls seen."""

    target: Target
    image: ImageFacts
    addresses: Addresses
    name: str
    returns: Mapping[str, Return]

    def passed(self, least: int) -> int:
        """How many stages, in their order, can't come any more; `least` is known already."""
        if not is_entered(self.target, self.image):
            return least
        for count, is_behind in reversed(_EVIDENCE):
            if count <= least:
                break
            with suppress(TargetError):
                if is_behind(self):
                    return count
        return least

    def number(self, symbol: str, offset: int, size: int) -> int:
        paddr = self.addresses.symbol(symbol) + offset
        return int.from_bytes(self.target.read_phys(paddr, size), "little")

    def is_at(self, symbol: str) -> bool:
        return self.target.register("rip") in self.image.aliases(self.target.symbol(symbol))

    def is_in(self, symbol: str) -> bool:
        return self.name.startswith(f"{symbol}+")

    def is_inside_call(self, symbol: str) -> bool:
        """Whether a return that was waited for is still to come."""
        call = self.returns.get(symbol)
        return call is not None and not call.is_over(self.target)


def _e820(at: Progress) -> bool:
    if at.is_inside_call("e820__memory_setup"):
        return False
    table = at.addresses.pointer("e820_table")
    return E820Table(at.target.read_phys(table, E820Table.SIZE), table).nr_entries > 0


def _kernel(at: Progress) -> bool:
    """start_kernel's own first deed is to mark the boot CPU as online."""
    if at.is_in("start_kernel") or at.is_at("e820__memory_setup") or "e820__memory_setup" in at.returns:
        return True
    return bool(at.number("__cpu_online_mask", 0, 1))


def _bootparams(at: Progress) -> bool:
    if at.is_inside_call("xen_prepare_pvh"):
        return False
    if any(map(at.is_in, _CALLERS)):
        return _is_filled(at, "pvh_bootparams")
    return at.name.partition("+")[0] in _BETWEEN_RETURN_AND_COPY or _is_filled(at, "boot_params")


def _prepare(at: Progress) -> bool:
    return any(map(at.is_in, _PREPARES)) or _is_filled(at, "pvh_bootparams")


def _is_filled(at: Progress, symbol: str) -> bool:
    return bool(at.number(symbol, _LOADER, 1))


_LOADER = BootParams.hdr.offset + SetupHeader.type_of_loader.offset
_EVIDENCE: tuple[tuple[int, Callable[[Progress], bool]], ...] = tuple(
    (stages.NAMES.index(name) + 1, is_behind)
    for name, is_behind in (
        ("entry", lambda _: True),
        ("prepare", _prepare),
        ("bootparams", _bootparams),
        ("kernel", _kernel),
        ("e820", _e820),
    )
)
