"""What the rules about an end ask: how it died, where, and which condition of the kernel's failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.start_info import MAGIC
from pvhdbg.boot.model.predicted import BUG
from pvhdbg.boot.stop.address import code_paddr, location_suffix
from pvhdbg.boot.stop.protocols import MEMMAP

if TYPE_CHECKING:
    from pvhdbg.boot.record.document import Death
    from pvhdbg.checks.case import Case

_CODE = 2


def died(case: Case) -> Death | None:
    return case.outcome.died if case.outcome else None


def reached(case: Case) -> str | None:
    """The last stage that came."""
    return case.outcome.reached if case.outcome else None


def _rip(case: Case) -> int | None:
    death = died(case)
    return case.seen.rip if death is None or death.rip is None else death.rip


def code_place(case: Case) -> int | None:
    """RIP as a physical address."""
    return code_paddr(case.seen, case.image, _rip(case))


def code(case: Case) -> bytes:
    """The first two bytes of the instruction at RIP; none if they were not read."""
    paddr = code_place(case)
    return (None if paddr is None else case.seen.bytes_at(paddr, _CODE)) or b""


def where(case: Case) -> str:
    """The place of RIP, for a message."""
    death = died(case)
    return location_suffix(_rip(case), death.symbol if death else None)


def failed_condition(case: Case) -> tuple[str, str]:
    """A field and why: the condition of xen_prepare_pvh's that failed, by the model, or by what was handed over where
    the model does not know the kernel.
    """
    death = case.expected.death if case.expected else None
    info = case.given.effective_start_info if case.given else None
    found = case.given.memory_map if case.given else None
    if death and death.kind == BUG:
        rest = "" if info is None or info.magic != MAGIC else ", and there is no Xen to ask for one"
        named = '; "e820 data" is for a kernel of the RFC of 2017' if found and found.is_module else ""
        return death.field, death.why + rest + named
    if info is None:
        return "registers.rip", "nobody saw what it was given"
    if info.magic != MAGIC:
        return "start_info.magic", f"magic is {info.magic:#x}, not {MAGIC:#x}"
    if found is not None and found.protocol != MEMMAP:
        name = "memmap_entries" if info.version else "version"
        return f"start_info.{name}", f"{name} is 0: no memory map, and no Xen to ask for one"
    return "registers.rip", "what was handed over fulfils the conditions that are known"


def given_place(case: Case, path: str) -> int | None:
    """The address of a field of start_info, as it was handed over."""
    info = (case.given.start_info or case.given.effective_start_info) if case.given else None
    head, _, name = path.partition(".")
    return info.address_of(info.field(name)) if info and head == "start_info" else None
