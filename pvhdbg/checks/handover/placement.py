"""PVH340 to PVH342: where things lie, against each other and against the map."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import ranges
from pvhdbg.boot.stop.regions import KERNEL
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Found, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pvhdbg.boot.stop.regions import Region
    from pvhdbg.checks.case import Case

_NAMED = 4


@rule("PVH340", INFO)
def structures_lie_in_free_memory(case: Case) -> Iterator[Found]:
    """What is handed over lies in memory that the map lists as RAM, and nothing reserves it. That is allowed: Linux
    copies what it needs, or reserves it, before it gives any memory away. Another guest must do so, too.

    Source: Xen start_info.h; QEMU pc-bios/optionrom/pvh_main.c; qboot main.c, whose module list is on its stack.
    """
    found = [each for each in case.structures if ranges.touches(case.ram, each.start, each.end)]
    if found:
        yield Found(found[0].field, f"{_listed(found)} in RAM that nothing reserves", found[0].start)


def _listed(things: Iterable[Region]) -> str:
    words = [f"{each.name} ({each.start:#x})" for each in islice(things, _NAMED)]
    if len(words) == 1:
        return f"{words[0]} lies"
    return f"{', '.join(words[:-1])} and {words[-1]} lie"


@rule("PVH341", WARNING, ERROR)
def things_overlap(case: Case) -> Iterator[Found]:
    """Kernel, modules and structures need bytes of their own. A kernel clears its BSS before it unpacks the ramdisk or
    copies the command line, and the ramdisk overwrote what it was loaded over before the kernel began.

    Let the VMM place each behind the last; QEMU puts the ramdisk at the end of low memory. A command line of more than
    4096 bytes runs over pvh.bin's module list and start_info.

    Source: Linux arch/x86/kernel/head64.c, clear_bss; qboot pull request 28; QEMU pc-bios/optionrom/pvh_main.c.
    """
    things = sorted((*case.loads, *case.structures), key=lambda it: it.start)
    if not things:
        return
    furthest = things[0]
    for each in things[1:]:
        if each.start < furthest.end and (each.name, each.name) != (furthest.name, KERNEL):
            both = f"{each.start:#x}-{min(each.end, furthest.end):#x}"
            yield Found(each.field, f"{each.name} and {furthest.name} overlap: {both}", each.start, case.fatal)
        furthest = max(furthest, each, key=lambda it: it.end)


@rule("PVH342", WARNING)
def a_structure_lies_where_no_memory_is_listed(case: Case) -> Iterator[Found]:
    """What lies outside the map may be a device, or nothing at all. Reading there gives zeros or ones; QEMU's debugger
    interface gives zeros, too, so that what is shown may not be what the guest sees.

    Source: Xen docs/misc/pvh.pandoc.
    """
    for each in case.structures if case.ram else ():
        if not ranges.holds(case.listed, each.start, each.end):
            message = f"{each.name}, {each.start:#x}-{each.end:#x}, lies where the map lists nothing"
            yield Found(each.field, message, each.start)
