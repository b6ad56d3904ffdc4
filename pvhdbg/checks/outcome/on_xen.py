"""PVH936: why a dom0 died, although neither its kernel nor Xen has a defect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.checks.finding import ERROR
from pvhdbg.checks.outcome.failure import death_of, last_stage
from pvhdbg.checks.rules import ON_FAILURE, Defect, rule
from pvhdbg.lazy_pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case

_FIRST_WITH_DEFECT = 10
_MAJOR = pattern(r"([0-9]{1,4})\.")


@rule("PVH936", ERROR, when=ON_FAILURE)
def qemu_breaks_nested_page_faults(case: Case) -> Iterator[Defect]:
    """On Xen in QEMU 10 and newer, a dom0 that reads CR2 leaves for Xen, although Xen has not asked for that: QEMU
    reports an intercepted read of CR0. Linux first reads CR2 when it handles its first page fault, after stage
    bootparams. The handler fails, and Linux halts before it can print anything.

    Boot with QEMU 7.2 to see the later stages. The stages up to bootparams are correct with any QEMU.

    Source: boots of Xen 4.17 in QEMU 7.2, 10.0 and 11.1.
    """
    match = _MAJOR.match(case.machine.qemu or "")
    death = death_of(case)
    if match is None or death is None or death.is_triple_fault or not (case.is_on_xen and case.is_linux):
        return
    if int(match[1]) >= _FIRST_WITH_DEFECT and last_stage(case) == "bootparams":
        message = (
            f"QEMU {match[1]} breaks a dom0's page faults: Linux halts before start_kernel. Boot with QEMU 7.2 "
            "(--qemu) to see the later stages."
        )
        yield Defect("machine.qemu", message)
