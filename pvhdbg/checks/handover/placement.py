"""PVH340 to PVH344: regions that overlap or were overwritten, and structures outside the memory map."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import ranges, regions
from pvhdbg.boot.stop.regions import KERNEL
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Defect, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pvhdbg.boot.stop.capture import Overwritten
    from pvhdbg.boot.stop.regions import Region
    from pvhdbg.checks.case import Case

_MAX_NAMES = 4


@rule("PVH340", INFO)
def structures_lie_in_unreserved_ram(case: Case) -> Iterator[Defect]:
    """The VMM's structures are in memory that the map lists as RAM and that no entry reserves. That is allowed: Linux
    copies or reserves what it needs before it uses the memory for anything else.

    Linux needs no change. Other guests must do the same before they use RAM.

    Source: Xen start_info.h; QEMU pc-bios/optionrom/pvh_main.c; qboot main.c, whose module list is on its stack.
    """
    unreserved = [region for region in case.structures if ranges.touches(case.ram, region.start, region.end)]
    if unreserved:
        names = _enumeration(unreserved)
        message = f"structures lie in unreserved RAM: {names}. Linux copies or reserves them before it uses that RAM."
        yield Defect(unreserved[0].field, message, unreserved[0].start)


def _enumeration(structures: Iterable[Region]) -> str:
    names = [f"{region.name} ({region.start:#x})" for region in islice(structures, _MAX_NAMES)]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


@rule("PVH341", WARNING, ERROR)
def loaded_regions_overlap(case: Case) -> Iterator[Defect]:
    """The kernel, the modules and the structures must not share bytes. The kernel clears its BSS before it unpacks the
    ramdisk or copies the command line, and a VMM that loads a ramdisk overwrites what was there.

    Make the VMM place each region after the previous one. QEMU puts the ramdisk at the end of low memory. A command
    line of more than 4096 bytes overruns pvh.bin's module list and start_info.

    Source: Linux arch/x86/kernel/head64.c, clear_bss; qboot pull request 28; QEMU pc-bios/optionrom/pvh_main.c.
    """
    in_order = sorted((*case.loaded_regions, *case.structures), key=lambda region: region.start)
    if not in_order:
        return
    furthest = in_order[0]
    for region in in_order[1:]:
        if region.start < furthest.end and (region.name, region.name) != (furthest.name, KERNEL):
            both = f"{region.start:#x}-{min(region.end, furthest.end):#x}"
            message = (
                f"{region.name} and {furthest.name} overlap at {both}: one overwrites the other. Put them at "
                "separate addresses."
            )
            yield Defect(region.field, message, region.start, case.fatal_severity)
        furthest = max(furthest, region, key=lambda it: it.end)


@rule("PVH342", WARNING)
def structure_is_outside_the_memory_map(case: Case) -> Iterator[Defect]:
    """An address that the map does not list may belong to a device, or to nothing at all. The guest then reads zeros or
    ones. QEMU's gdbstub returns zeros for such an address, so pvhdbg may show other bytes than the guest reads.

    Put the structure into memory that the map lists.

    Source: Xen docs/misc/pvh.pandoc.
    """
    for region in case.structures if case.ram else ():
        if not ranges.holds(case.listed_memory, region.start, region.end):
            message = (
                f"{region.name} ({region.start:#x}-{region.end:#x}) is outside the memory map: there may be no memory "
                "at that address. Put it into memory that the map lists."
            )
            yield Defect(region.field, message, region.start)


@rule("PVH343", WARNING)
def firmware_table_is_outside_the_memory_map(case: Case) -> Iterator[Defect]:
    """There is an RSDP, an MP table or an SMBIOS entry point in memory that no entry of the map lists. A guest that
    follows the map does not expect memory there: it may place a device at that address, or fail to read the table.

    List the memory of the table as reserved.

    Source: Firecracker issue 3044, about its MP table at 0x9fc00; Xen start_info.h.
    """
    for table in case.firmware_tables if case.ram else ():
        if not ranges.touches(case.listed_memory, table.paddr, table.paddr + table.size):
            message = (
                f"the {table.name} ({table.paddr:#x}-{table.paddr + table.size:#x}) is outside the memory map: a guest "
                "that follows the map expects no memory there. List that memory as reserved."
            )
            yield Defect("memory_map.entries", message, table.paddr)


@rule("PVH344", ERROR, cause=True)
def image_was_overwritten_before_the_entry(case: Case) -> Iterator[Defect]:
    """At the entry, before the guest's first instruction, its loaded image differs from the kernel file. QEMU loads the
    file first. Then the firmware runs, which has its stack and its variables in low memory, and boot data is copied to
    memory. The guest executes or reads what was written there.

    Link the image at 1 MiB or above, and away from the boot data. pvhdbg compares low memory and the surroundings of
    the boot data, but not every byte of a large image.

    Source: qboot pull request 28; QEMU pc-bios/optionrom/pvh_main.c.
    """
    regions_of: dict[str, list[Overwritten]] = {}
    stop = case.last_stop_at("entry")
    for item in stop.overwritten if stop else ():
        regions_of.setdefault(_writer(case, item), []).append(item)
    for writer, items in regions_of.items():
        start, end, size = items[0].paddr, items[-1].end, sum(item.size for item in items)
        message = (
            f"the image was overwritten before the entry: {size} of the {end - start} bytes at {start:#x}-{end:#x} "
            f"differ from the file. {writer} Link the image elsewhere."
        )
        yield Defect("kernel.segments", message, start)


def _writer(case: Case, item: Overwritten) -> str:
    """Return a sentence about what is where the image should be."""
    stop = case.last_stop_at("entry")
    passed = (*regions.structures(stop), *regions.modules(stop.modules or ())) if stop else ()
    for region in passed:
        if region.start < item.end and item.paddr < region.end:
            return f"The VMM put {region.name} there."
    return "No boot data is there, so it was probably the firmware."
