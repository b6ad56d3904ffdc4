"""PVH937: the guest wrote where the VMM has no memory, although QEMU has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.stop.address import location_suffix
from pvhdbg.checks.finding import ERROR
from pvhdbg.checks.rules import ONCE, Defect, rule
from pvhdbg.vmm_profiles.table import NAMES, profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.record.document import VmmFacts
    from pvhdbg.checks.case import Case

_FIRST_PUSH = 0xFFFFFFFC


@rule("PVH937", ERROR, when=ONCE, cause=True)
def guest_used_the_stack_before_it_set_esp(case: Case) -> Iterator[Defect]:
    """If ESP is 0, the first push or call writes to 0xfffffffc. QEMU's microvm has its firmware there, in memory that
    can be written, so the guest continues. The VMM has no memory there: what the guest pushes is lost, and what it pops
    is not defined. Most guests die when they return to such an address. With `--vmm`, a write there is lost here too.

    Set ESP to a stack of the guest's own before the first `call` or `push`.

    Source: Xen docs/misc/pvh.pandoc; firecracker src/vmm/src/arch/x86_64/layout.rs; nanos pull request 1855.
    """
    vmm = case.machine.vmm
    if vmm is None or vmm.lost_write is None:
        return
    lost = vmm.lost_write
    where = location_suffix(lost.rip, lost.symbol)
    what = int.from_bytes(lost.data[-8:], "little")
    entry = case.last_stop_at("entry")
    is_push = lost.paddr <= _FIRST_PUSH < lost.paddr + max(len(lost.data), 1)
    if is_push and entry is not None and entry.registers.get("rsp") == 0:
        defect, fix = "the guest used the stack while ESP was 0", "Set ESP before the first call or push"
    else:
        defect, fix = "the guest wrote where there is no memory", "Write only to RAM that the map lists"
    message = (
        f"{defect}: it wrote {what:#x} to {lost.paddr:#x}, just before the instruction{where}. {_title(vmm)} has "
        f"no memory there, so the value is lost. {fix}."
    )
    yield Defect("machine.vmm.lost_write", message, lost.paddr)


def _title(vmm: VmmFacts) -> str:
    return profile(vmm.name).title if vmm.name in NAMES else "The VMM"
