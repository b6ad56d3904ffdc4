"""PVH421 and PVH422: the kernel's e820_table, compared with boot_params and with the memory map from the VMM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import ISA_SIZE, ISA_START
from pvhdbg.boot.model.e820_sanitize import LOW_MEMORY, expected_e820_table
from pvhdbg.boot.stop import ranges
from pvhdbg.boot.stop.map_entries import decode_entries, ram_ranges
from pvhdbg.boot.stop.protocols import NO_MAP
from pvhdbg.checks.finding import ERROR, WARNING
from pvhdbg.checks.rules import Defect, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.capture import E820
    from pvhdbg.checks.case import Case

_ISA = (ISA_START, ISA_START + ISA_SIZE)
_NEGLIGIBLE = 1 << 20
"""The kernel may lose less RAM than this without a finding."""


def _complete_table(case: Case) -> E820 | None:
    """Return e820_table where the kernel has just finished it, if all its entries were read."""
    table = case.capture.e820_table
    is_whole = table is not None and table.nr_entries == len(table.entries)
    return table if is_whole and case.is_at("e820") else None


@rule("PVH421", WARNING)
def e820_table_differs_from_boot_params(case: Case) -> Iterator[Defect]:
    """Linux builds e820_table from the map in boot_params: it sorts the ranges, gives overlapping ranges the larger
    type, merges adjacent ranges of the same type, and drops empty ranges. If e820_table has other entries, either
    boot_params was changed, or the map has fewer entries than this kernel accepts, or this kernel works differently.

    Compare `e820` with `bootparams`.

    Source: Linux arch/x86/kernel/e820.c, e820__memory_setup_default and e820__update_table.
    """
    table, params = _complete_table(case), case.capture.kernel_boot_params
    expected = expected_e820_table(params, case.kernel_behavior) if params else None
    if table is None or expected is None:
        return
    then = "the kernel's memory is not what boot_params lists. Compare `e820` with `bootparams`."
    for index, (should, does) in enumerate(zip(expected, table.entries, strict=False)):
        if (does.addr, does.size, does.type) != tuple(should):
            message = (
                f"e820_table[{index}] is {_range_text(does.addr, does.size, does.type)}, but should be "
                f"{_range_text(*should)}: {then}"
            )
            yield Defect(f"e820_table[{index}]", message, does.at)
            return
    if len(expected) != len(table.entries):
        message = f"e820_table has {len(table.entries)} entries, but should have {len(expected)}: {then}"
        yield Defect("e820_table", message, table.paddr)


def _range_text(addr: int, size: int, type_number: int) -> str:
    return f"{addr:#x}-{addr + size:#x} type {type_number}"


@rule("PVH422", ERROR)
def kernel_lost_memory(case: Case) -> Iterator[Defect]:
    """RAM that the VMM listed is missing from the kernel's e820_table, so the kernel does not use it. If the kernel has
    no map at all, it assumes 636 KiB of RAM and panics soon after.

    The other findings, at this stop and at earlier stops, show where the memory was lost.

    Source: Linux arch/x86/kernel/e820.c.
    """
    table = _complete_table(case)
    if table is None:
        return
    ram = ram_ranges(decode_entries(table.entries))
    memory_map = case.boot_data_stop.memory_map if case.boot_data_stop else None
    see_also = "See the other findings for the cause."
    if ranges.total(ram) <= LOW_MEMORY:
        message = f"e820_table lists only {ranges.total(ram):#x} bytes of RAM: the kernel has no memory map. {see_also}"
        yield Defect("e820_table", message, table.paddr)
    elif memory_map and memory_map.protocol != NO_MAP:
        lost = ranges.total(ranges.minus(ram_ranges(decode_entries(memory_map.entries)), [*ram, _ISA]))
        if lost >= _NEGLIGIBLE:
            message = f"e820_table lacks {lost:#x} bytes of the VMM's RAM: the kernel does not use them. {see_also}"
            yield Defect("e820_table", message, table.paddr)
