"""PVH120 to PVH127: the CPU at the entry, against what the ABI demands of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PE, CR0_PG, CR4_LA57, EFLAGS_VM, ENTRY_STATE, NAMED_BITS, segment_kind
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Found, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case

_TF = 1 << 8


def _broken(case: Case, *heads: str) -> Iterator[Found]:
    """What the ABI demands of these registers and is not so."""
    if not case.is_entry:
        return
    for demand in ENTRY_STATE:
        value = case.seen.registers.get(demand.register)
        if demand.register.partition(".")[0] in heads and value is not None and not demand.is_met_by(value):
            message = f"{demand.register} is {_shown(demand.register, value)}, the ABI wants {demand.meaning}"
            yield Found(f"registers.{demand.register}", message)


def _shown(register: str, value: int) -> str:
    name = NAMED_BITS[register].text(value) if register in NAMED_BITS else ""
    if register.endswith(".flags"):
        name = segment_kind(value)
    return f"{value:#x} ({name})" if name else f"{value:#x}"


def _value(case: Case, register: str) -> int:
    return case.seen.registers.get(register) or 0


@rule("PVH120", WARNING, ERROR)
def cr0_is_not_as_demanded(case: Case) -> Iterator[Found]:
    """Of CR0's writable bits PE alone is set. Without PE, or with paging on, the entry's first instructions mean
    something else and the guest dies at once; the other bits (WP, NE, cache control) change what later code assumes.

    Source: Xen docs/misc/pvh.pandoc.
    """
    wrong = _value(case, "cr0") & (CR0_PE | CR0_PG) != CR0_PE
    yield from (each._replace(severity=ERROR if wrong else None) for each in _broken(case, "cr0"))


@rule("PVH121", WARNING, ERROR)
def cr4_is_not_0(case: Case) -> Iterator[Found]:
    """CR4 must be 0. Most bits do no harm, LA57 does: a PVH kernel builds four levels of page tables, and with LA57 set
    the CPU walks five of them as soon as paging goes on.

    Source: Xen docs/misc/pvh.pandoc; Intel SDM volume 3, 4.5.
    """
    wrong = _value(case, "cr4") & CR4_LA57
    yield from (each._replace(severity=ERROR if wrong else None) for each in _broken(case, "cr4"))


@rule("PVH122", WARNING, ERROR)
def eflags_lets_traps_in(case: Case) -> Iterator[Found]:
    """VM, IF and TF must be clear: there is no IDT, so the first interrupt or trap is a triple fault. With TF that is
    the very next instruction.

    Source: Xen docs/misc/pvh.pandoc.
    """
    wrong = _value(case, "eflags") & (_TF | EFLAGS_VM)
    yield from (each._replace(severity=ERROR if wrong else None) for each in _broken(case, "eflags"))


@rule("PVH123", ERROR)
def cs_is_not_flat_32_bit_code(case: Case) -> Iterator[Found]:
    """The entry is 32-bit code at a physical address: CS must be a 32-bit code segment with base 0 and a limit of 4
    GiB. Which selector is free.

    Source: Xen docs/misc/pvh.pandoc.
    """
    yield from _broken(case, "cs")


@rule("PVH124", ERROR)
def ds_is_not_flat_32_bit_data(case: Case) -> Iterator[Found]:
    """The kernel reads its GDT's address and start_info through DS before it has segments of its own.

    Source: Xen docs/misc/pvh.pandoc.
    """
    yield from _broken(case, "ds")


@rule("PVH125", WARNING)
def es_or_ss_is_not_flat_32_bit_data(case: Case) -> Iterator[Found]:
    """ES is to be as DS, and so, in newer texts of the ABI, is SS. Linux loads both before it uses them; other guests
    do not.

    Source: Xen docs/misc/pvh.pandoc.
    """
    yield from _broken(case, "es", "ss")


@rule("PVH126", INFO)
def tr_is_not_a_32_bit_tss(case: Case) -> Iterator[Found]:
    """TR is to hold a busy 32-bit TSS with base 0 and limit 0x67. QEMU leaves what a reset does, with limit 0xffff; no
    guest is known to care.

    Source: Xen docs/misc/pvh.pandoc.
    """
    yield from _broken(case, "tr")


@rule("PVH127", WARNING, ERROR)
def the_a20_line_is_off(case: Case) -> Iterator[Found]:
    """The ABI has no word about A20, and every guest takes it to be on: off, each odd MiB of memory is the even one
    below, and a kernel of more than a MiB reads and writes itself.

    Enable it before entering the guest.

    Source: Intel SDM volume 3, 21.33.
    """
    if case.is_entry and case.seen.registers.get("a20") == 0:
        yield Found("registers.a20", "a20 is 0: every odd MiB of memory is the one below", None, case.fatal)
