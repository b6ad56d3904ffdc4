"""PVH201 to PVH212: the memory map that was handed over, by either protocol."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import E820_TYPES, ISA_SIZE, ISA_START, RAM, ZERO_PAGE_ENTRIES, BootE820Entry
from pvhdbg.abi.start_info import MemmapTableEntry
from pvhdbg.boot.record.document import ram_size
from pvhdbg.boot.stop import ranges, regions
from pvhdbg.boot.stop.protocols import NO_MAP
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Found, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.map_entries import MapEntry
    from pvhdbg.checks.case import Case

_TOP = 1 << 64
# How many entries fit between e820_table's start and the end of struct boot_params.
_FIT_STRUCTURE = 168
_COUNTED = 256
# Firmware keeps some for itself: as much of the RAM may be missing.
_KEPT_BACK = 16


def _path(index: int, name: str = "") -> str:
    return f"memory_map.entries[{index}]" + (f".{name}" if name else "")


def _at(case: Case, index: int, name: str = "") -> int | None:
    """Return the physical address of an entry, or of one of its fields."""
    record = case.map_records[index]
    return record.address_of(record.field(name)) if name else record.at


def _span(entry: MapEntry) -> str:
    return f"{entry.addr:#x}-{entry.end:#x}"


@rule("PVH201", INFO)
def an_entry_is_empty(case: Case) -> Iterator[Found]:
    """A range of size 0 says nothing; Linux copies it into boot_params and drops it when it sorts the map. qboot always
    hands one over at the end where it counts a range for PCI configuration that it then leaves out.

    Source: qboot main.c; Linux arch/x86/kernel/e820.c.
    """
    for index, each in enumerate(case.entries):
        if each.size == 0:
            yield Found(
                _path(index, "size"),
                f"size is 0 in entry {index} ({E820_TYPES.label(each.type)})",
                _at(case, index, "size"),
            )


@rule("PVH202", WARNING, INFO)
def memory_ranges_overlap(case: Case) -> Iterator[Found]:
    """A byte that is listed twice has no one type. Linux lets the larger number win, so RAM (1) is lost to anything
    else; other guests take the first entry, or the last.

    List each byte once.

    Source: Linux arch/x86/kernel/e820.c, e820__update_table.
    """
    listed = sorted((each.addr, each.end, index) for index, each in enumerate(case.entries) if each.size)
    if not listed:
        return
    furthest = listed[0]
    for each in listed[1:]:
        if each[0] < furthest[1]:
            yield _overlap(case, furthest, each)
        furthest = max(furthest, each, key=lambda span: span[1])


def _overlap(case: Case, first: tuple[int, int, int], second: tuple[int, int, int]) -> Found:
    kinds = [E820_TYPES.label(case.entries[index].type) for index in (first[2], second[2])]
    both = f"{second[0]:#x}-{min(first[1], second[1]):#x}"
    if kinds[0] == kinds[1]:
        return Found(_path(second[2]), f"{both} is listed twice as {kinds[0]}", _at(case, second[2]), INFO)
    message = f"{both} is both {kinds[0]} (entry {first[2]}) and {kinds[1]} (entry {second[2]})"
    return Found(_path(second[2]), message, _at(case, second[2]))


@rule("PVH203", INFO)
def entries_are_not_in_order(case: Case) -> Iterator[Found]:
    """The ABI asks for no order, and Linux sorts the map. Guests that look for the last entry as the end of memory
    would be wrong.

    Source: Xen start_info.h; Linux arch/x86/kernel/e820.c.
    """
    listed = [(each.addr, index) for index, each in enumerate(case.entries) if each.size]
    for (before, _), (after, index) in pairwise(listed):
        if after < before:
            message = f"addr of entry {index} is {after:#x}, below the one before ({before:#x}): the map is not sorted"
            yield Found(_path(index, "addr"), message, _at(case, index, "addr"))
            return


@rule("PVH204", WARNING, ERROR)
def an_entry_ends_beyond_all_addresses(case: Case) -> Iterator[Found]:
    """An entry's addr + size must stay below 2^64. Where it goes beyond, Linux rejects the whole map and makes do with
    0-0x9f000; where it is 2^64 exactly, it leaves the map unsorted as it is.

    Look for a size that is an end address, or for a subtraction below 0 in the VMM.

    Source: Linux arch/x86/kernel/e820.c, __append_e820_table and e820__update_table.
    """
    for index, each in enumerate(case.entries):
        if each.end >= _TOP:
            how = "at 2^64" if each.end == _TOP else "beyond 2^64: Linux drops the whole map"
            message = f"addr {each.addr:#x} and size {each.size:#x} of entry {index} end {how}"
            yield Found(
                _path(index, "size"), message, _at(case, index, "size"), case.fatal if each.end > _TOP else None
            )


@rule("PVH205", INFO)
def a_type_is_unknown(case: Case) -> Iterator[Found]:
    """Types are those of ACPI, 1 to 7. Linux copies any number as it is, has no name for 6 (DISABLED), and uses no
    memory but type 1; a range of type 0 it drops when it sorts the map.

    Source: Xen start_info.h; ACPI 6.5, table 15.4; Linux arch/x86/kernel/e820.c.
    """
    for index, each in enumerate(case.entries):
        if each.size and (each.type not in E820_TYPES.names or E820_TYPES.name(each.type) == "DISABLED"):
            dropped = ": Linux drops the range" if each.type == 0 else ""
            message = f"type is {E820_TYPES.label(each.type)} for {_span(each)}{dropped}"
            yield Found(_path(index, "type"), message, _at(case, index, "type"))


@rule("PVH206", INFO)
def reserved_of_an_entry_is_not_0(case: Case) -> Iterator[Found]:
    """Reserved bytes must be 0 in version 1; Linux does not copy them.

    Source: Xen start_info.h.
    """
    for index, record in enumerate(case.map_records):
        reserved = record.reserved if isinstance(record, MemmapTableEntry) else 0
        if reserved:
            message = f"reserved is {reserved:#x} in entry {index}, not 0"
            yield Found(_path(index), message, _at(case, index, "reserved"))


@rule("PVH207", INFO, WARNING, ERROR, cause=True)
def there_are_more_entries_than_fit(case: Case) -> Iterator[Found]:
    """Linux copies the map into struct boot_params, which counts it in one byte and has room for 128 entries. From 127
    on there is no room for the ISA range that it adds; from 129 on it overruns the table, from 169 on the structure,
    and what it writes there (another variable, a canary, its own stack) may kill it without a word. It copies 256
    entries as none, 260 as four. The RFC's kernel copies every entry of the module and counts them in a byte all the
    same.

    Hand over 126 entries or fewer: join neighbours of one type.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams; the RFC of 2017.
    """
    found = case.seen.memory_map
    if found is None or found.protocol == NO_MAP or found.nr_entries < ZERO_PAGE_ENTRIES - 1:
        return
    death = case.predicted("start_info.memmap_entries", "memory_map.nr_entries")
    why, severity = _overrun(case, found.nr_entries)
    if death and death.certain:
        why, severity = death.why, ERROR
    if found.is_module:
        yield Found("memory_map.nr_entries", f"nr_entries is {found.nr_entries}: {why}", found.paddr, severity)
    else:
        where = case.path("memmap_entries"), f"memmap_entries is {found.nr_entries}: {why}"
        yield Found(*where, case.place("memmap_entries"), severity)


def _overrun(case: Case, count: int) -> tuple[str, str]:
    if count < ZERO_PAGE_ENTRIES + 1:
        return "there is no room left for the ISA range that Linux adds", INFO
    if count >= _COUNTED:
        return f"Linux counts it in a byte, as {count % _COUNTED}, and loses the rest of the map", case.fatal
    if count <= _FIT_STRUCTURE:
        return (
            f"e820_table has room for {ZERO_PAGE_ENTRIES}, the rest runs over what follows it in boot_params",
            WARNING,
        )
    over = BootParams.e820_table.offset + count * BootE820Entry.SIZE - BootParams.SIZE
    return f"the map runs {over} bytes over the end of boot_params, and Linux loses what is there", case.fatal


@rule("PVH208", WARNING, ERROR)
def there_is_no_ram(case: Case) -> Iterator[Found]:
    """Without a byte of type 1 the kernel has no memory to use, and panics as soon as it sets up its page tables.

    Source: Linux arch/x86/kernel/e820.c.
    """
    if case.entries and not case.ram:
        message = f"no entry of {len(case.entries)} lists RAM (type {RAM}) that no other entry claims"
        yield Found("memory_map.entries", message, _at(case, 0), case.fatal)


@rule("PVH209", WARNING)
def the_kernel_is_not_in_ram(case: Case) -> Iterator[Found]:
    """A kernel that lies where the map lists no RAM loses that memory to whoever else believes the map, or to a device.

    Load it where there is RAM, or list what it lies in.

    Source: Linux arch/x86/kernel/setup.c, e820_add_kernel_range, which then trusts its own image more.
    """
    if not case.ram:
        return
    for each in regions.kernel(case.image):
        if not ranges.holds(case.ram, each.start, each.end):
            yield Found(each.field, f"the kernel's segment {each.start:#x}-{each.end:#x} is not all in RAM")


@rule("PVH210", ERROR)
def the_map_lacks_memory_that_the_machine_has(case: Case) -> Iterator[Found]:
    """The map is the only way in which a PVH guest learns of its memory: what is not listed as RAM is not used.

    Compare the sum with -m. Firmware keeps a little for itself, some hundred KiB.

    Source: QEMU hw/i386/pc.c and microvm.c: RAM is -m, below and above the hole under 4 GiB.
    """
    has, listed = ram_size(case.memory), ranges.total(case.ram)
    if has and case.ram and listed < has - max(has // _KEPT_BACK, 1 << 20):
        message = f"the map lists {listed:#x} bytes of RAM, the machine has {has:#x} (-m {case.memory})"
        yield Found("memory_map.entries", message, _at(case, 0))


@rule("PVH211", INFO)
def ram_is_listed_where_the_isa_range_is(case: Case) -> Iterator[Found]:
    """Linux reserves 0xa0000-0xfffff for video memory and ROMs whatever the map says, so RAM that is listed there is
    not used.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    for index, each in enumerate(case.entries):
        low, high = max(each.addr, ISA_START), min(each.end, ISA_START + ISA_SIZE)
        if each.type == RAM and low < high:
            message = f"entry {index} lists {low:#x}-{high:#x} as RAM: Linux reserves the ISA range"
            yield Found(_path(index), message, _at(case, index))


@rule("PVH212", ERROR)
def the_map_cannot_be_read(case: Case) -> Iterator[Found]:
    """Where the table's address leads to no memory, the kernel reads whatever the bus answers, or dies of it.

    Source: Xen start_info.h.
    """
    found = case.seen.memory_map
    if found is None:
        why = case.seen.missing.get("memory_map", "") if case.info else ""
        if "memory_map" in case.seen.missing and case.seen.stage in ("entry", "prepare") and case.info:
            yield Found("memory_map", f"the memory map can't be read: {why}")
    elif found.nr_entries and not found.entries:
        why = case.seen.missing.get("memory_map.entries", "nothing is there")
        yield Found("memory_map.paddr", f"the {found.nr_entries} entries can't be read: {why}", found.paddr)
