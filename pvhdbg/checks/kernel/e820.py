"""PVH421 and PVH422: the kernel's own table, against what it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import ISA_SIZE, ISA_START
from pvhdbg.boot.model.e820_sanitize import LOW_MEMORY, expected_e820_table
from pvhdbg.boot.stop import ranges
from pvhdbg.boot.stop.map_entries import decode_entries, ram_ranges
from pvhdbg.boot.stop.protocols import NO_MAP
from pvhdbg.checks.finding import ERROR, WARNING
from pvhdbg.checks.rules import Found, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.capture import E820
    from pvhdbg.checks.case import Case

_ISA = (ISA_START, ISA_START + ISA_SIZE)
_NO_LOSS = 1 << 20


def _table(case: Case) -> E820 | None:
    """The whole table, as soon as it is complete."""
    found = case.seen.e820_table
    is_whole = found is not None and found.nr_entries == len(found.entries)
    return found if is_whole and case.seen.stage == "e820" else None


@rule("PVH421", WARNING)
def e820_table_is_not_what_boot_params_lists(case: Case) -> Iterator[Found]:
    """Linux sorts the map of boot_params, lets the larger type win where two ranges overlap, joins neighbours and drops
    what is empty. Where the table is another, its memory is not what was handed over: a changed boot_params, a map of
    fewer entries than the kernel takes, or a kernel that is not known here.

    Source: Linux arch/x86/kernel/e820.c, e820__memory_setup_default and e820__update_table.
    """
    found, params = _table(case), case.seen.kernel_boot_params
    wanted = expected_e820_table(params, case.rules) if params else None
    if found is None or wanted is None:
        return
    for index, (should, does) in enumerate(zip(wanted, found.entries, strict=False)):
        if (does.addr, does.size, does.type) != tuple(should):
            message = f"entry {index} is {_words(does.addr, does.size, does.type)}, should be {_words(*should)}"
            yield Found(f"e820_table[{index}]", message, does.at)
            return
    if len(wanted) != len(found.entries):
        message = f"e820_table has {len(found.entries)} entries, should have {len(wanted)}"
        yield Found("e820_table", message, found.paddr)


def _words(addr: int, size: int, kind: int) -> str:
    return f"{addr:#x}-{addr + size:#x} type {kind}"


@rule("PVH422", ERROR)
def the_kernel_lost_memory(case: Case) -> Iterator[Found]:
    """RAM that the VMM listed is not in the kernel's table. What is not there is not used; with the 636 KiB that Linux
    takes where it has no map at all, it panics soon after.

    The other findings, here and at the stops before, say where it was lost.

    Source: Linux arch/x86/kernel/e820.c.
    """
    found = _table(case)
    if found is None:
        return
    has = ram_ranges(decode_entries(found.entries))
    given = case.given.memory_map if case.given else None
    if ranges.total(has) <= LOW_MEMORY:
        yield Found(
            "e820_table", f"the table lists {ranges.total(has):#x} bytes of RAM: the kernel has no map", found.paddr
        )
    elif given and given.protocol != NO_MAP:
        lost = ranges.total(ranges.minus(ram_ranges(decode_entries(given.entries)), [*has, _ISA]))
        if lost >= _NO_LOSS:
            yield Found("e820_table", f"{lost:#x} bytes of RAM that were handed over are not in it", found.paddr)
