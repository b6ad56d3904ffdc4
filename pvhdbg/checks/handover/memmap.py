"""PVH201 to PVH213: the memory map that the VMM passes, in either protocol."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import E820_TYPES, ISA_SIZE, ISA_START, RAM, ZERO_PAGE_ENTRIES, BootE820Entry
from pvhdbg.abi.start_info import MemmapTableEntry
from pvhdbg.boot.record.document import ram_size
from pvhdbg.boot.stop import ranges, regions
from pvhdbg.boot.stop.protocols import NO_MAP
from pvhdbg.checks.case import BELOW_EVERY_HOLE, NO_MEMORY
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.rules import Defect, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.regions import Region
    from pvhdbg.checks.case import Case

_TWO_TO_64 = 1 << 64
_FIT_IN_STRUCTURE = 168
"""How many entries fit between the start of e820_table and the end of struct boot_params."""
_ONE_BYTE = 256
_LOW = 1 << 20
_PAGE = 0x1000
_ONLY_MEMORY = "List only memory that the machine has."
_RAM_UNIT = 1 << 13
"""QEMU rounds the size of the RAM up to a multiple of this."""
_KEPT_BY_FIRMWARE = 16
"""Firmware keeps some memory for itself: the map may lack up to 1/16 of the machine's RAM."""


def _path(index: int, name: str = "") -> str:
    return f"memory_map.entries[{index}]" + (f".{name}" if name else "")


def _address(case: Case, index: int, name: str = "") -> int | None:
    """Return the physical address of an entry, or of one of its fields."""
    record = case.map_records[index]
    return record.address_of(record.field(name)) if name else record.at


@rule("PVH201", INFO)
def memory_map_entry_is_empty(case: Case) -> Iterator[Defect]:
    """A range of size 0 describes no memory. Linux copies it to boot_params and drops it when it sorts the map. qboot
    adds an empty last entry when it counts a PCI configuration range but then omits it.

    Known guests need no change. A new VMM should omit empty entries.

    Source: qboot main.c; Linux arch/x86/kernel/e820.c.
    """
    count = len(case.map_entries)
    if count > 1 and not any(entry.size for entry in case.map_entries):
        yield Defect("memory_map.entries", f"size is 0 in all {count} entries: Linux drops them.", _address(case, 0))
        return
    for index, entry in enumerate(case.map_entries):
        if entry.size == 0:
            message = f"size is 0 in entry {index}, type {E820_TYPES.label(entry.type)}: Linux drops the entry."
            is_last = index == count - 1 and (entry.addr, entry.type) == (0, 0)
            is_of_qboot = is_last and (case.machine.machine or "").startswith("microvm")
            yield Defect(_path(index, "size"), message, _address(case, index, "size"), is_habit=is_of_qboot)


@rule("PVH202", WARNING, INFO)
def memory_ranges_overlap(case: Case) -> Iterator[Defect]:
    """A byte that is listed with two types is ambiguous. Linux uses the larger type number, so any other type takes
    precedence over RAM (1). Other guests use the first entry, or the last.

    List each byte once.

    Source: Linux arch/x86/kernel/e820.c, e820__update_table.
    """
    spans = sorted((entry.addr, entry.end, index) for index, entry in enumerate(case.map_entries) if entry.size)
    if not spans:
        return
    furthest = spans[0]
    for span in spans[1:]:
        if span[0] < furthest[1]:
            yield _overlap(case, furthest, span)
        furthest = max(furthest, span, key=lambda it: it[1])


def _overlap(case: Case, first: tuple[int, int, int], second: tuple[int, int, int]) -> Defect:
    index, types = second[2], [case.map_entries[span[2]].type for span in (first, second)]
    both, names = f"{second[0]:#x}-{min(first[1], second[1]):#x}", [E820_TYPES.label(number) for number in types]
    if names[0] == names[1]:
        message = f"{both} is listed twice as {names[0]}: Linux merges the entries."
        return Defect(_path(index), message, _address(case, index), INFO)
    message = (
        f"{both} is both {names[0]} (entry {first[2]}) and {names[1]} (entry {index}): Linux uses "
        f"{E820_TYPES.label(max(types))}, the larger type number; other guests may not. List each byte once."
    )
    return Defect(_path(index), message, _address(case, index))


@rule("PVH203", INFO)
def memory_map_is_not_sorted(case: Case) -> Iterator[Defect]:
    """The ABI does not require an order, and Linux sorts the map. Only a guest that expects the end of memory in the
    last entry would be wrong.

    Linux needs no change. Sort the map if another guest depends on the order.

    Source: Xen start_info.h; Linux arch/x86/kernel/e820.c.
    """
    starts = [(entry.addr, index) for index, entry in enumerate(case.map_entries) if entry.size]
    for (before, previous), (after, index) in pairwise(starts):
        if after < before:
            defect = f"addr of entry {index} is {after:#x}, below {before:#x} of entry {previous}"
            yield Defect(_path(index, "addr"), f"{defect}: Linux sorts the map.", _address(case, index, "addr"))
            return


@rule("PVH204", WARNING, ERROR)
def memory_range_end_overflows_64_bits(case: Case) -> Iterator[Defect]:
    """The sum of addr and size must be less than 2^64. If it is greater, Linux rejects the whole map and uses only
    0-0x9f000. If it is exactly 2^64, Linux leaves the map unsorted.

    Check whether the VMM stores an end address as the size, or computes the size with a subtraction that underflows.

    Source: Linux arch/x86/kernel/e820.c, __append_e820_table and e820__update_table.
    """
    for index, entry in enumerate(case.map_entries):
        if entry.end < _TWO_TO_64:
            continue
        is_beyond = entry.end > _TWO_TO_64
        how, why = ("past", "rejects the whole map") if is_beyond else ("at", "leaves the map unsorted")
        message = (
            f"entry {index} ends {how} 2^64 (addr {entry.addr:#x}, size {entry.size:#x}): Linux {why}. "
            "Check how the VMM computes the size."
        )
        severity = case.fatal_severity if is_beyond else None
        yield Defect(_path(index, "size"), message, _address(case, index, "size"), severity)


@rule("PVH205", INFO, only_linux=True)
def memory_type_is_unknown_to_linux(case: Case) -> Iterator[Defect]:
    """Types are ACPI's address range types, 1 to 7. Linux copies any number unchanged, has no name for 6 (DISABLED),
    and uses only type 1 as memory. It drops a range of type 0 when it sorts the map.

    Use type 1, 2, 3, 4, 5 or 7.

    Source: Xen start_info.h; ACPI 6.5, table 15.4; Linux arch/x86/kernel/e820.c.
    """
    for index, entry in enumerate(case.map_entries):
        if entry.size and (entry.type not in E820_TYPES.names or E820_TYPES.name(entry.type) == "DISABLED"):
            then = "drops the range" if entry.type == 0 else "does not use it as memory"
            message = f"type is {E820_TYPES.label(entry.type)} for {entry.addr:#x}-{entry.end:#x}: Linux {then}."
            yield Defect(_path(index, "type"), message, _address(case, index, "type"))


@rule("PVH206", INFO)
def memory_map_entry_has_nonzero_reserved_bytes(case: Case) -> Iterator[Defect]:
    """Reserved bytes must be 0 in version 1. Linux does not copy them.

    Clear each entry before filling it in.

    Source: Xen start_info.h.
    """
    for index, record in enumerate(case.map_records):
        reserved = record.reserved if isinstance(record, MemmapTableEntry) else 0
        if reserved:
            message = f"field reserved of entry {index} is {reserved:#x}, not 0. Linux does not copy it."
            yield Defect(_path(index), message, _address(case, index, "reserved"))


@rule("PVH207", INFO, WARNING, ERROR, cause=True, only_linux=True)
def memory_map_has_too_many_entries(case: Case) -> Iterator[Defect]:
    """Linux copies the map to struct boot_params, which has room for 128 entries and counts them in one byte. With 127
    or more entries there is no room for the ISA range that Linux adds. 129 or more entries overflow e820_table, and 169
    or more overflow the whole structure. They overwrite another variable, a stack canary or the stack, which may crash
    the kernel without a message. Because of the one-byte count, Linux copies no entry of 256, and 4 of 260. A kernel
    built with the 2017 RFC patches copies every entry of the module, but also counts them in one byte.

    Pass at most 126 entries: merge adjacent ranges of the same type.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams; the 2017 RFC patches.
    """
    memory_map = case.capture.memory_map
    if memory_map is None or memory_map.protocol == NO_MAP or memory_map.nr_entries < ZERO_PAGE_ENTRIES - 1:
        return
    death = case.death_blamed_on("start_info.memmap_entries", "memory_map.nr_entries")
    why, severity = _overrun(case, memory_map.nr_entries)
    if death and death.certain:
        why, severity = death.why, ERROR
    message = f"is {memory_map.nr_entries}: {why}. Pass at most {ZERO_PAGE_ENTRIES - 2} entries."
    if memory_map.is_module:
        yield Defect("memory_map.nr_entries", f"nr_entries {message}", memory_map.paddr, severity)
    else:
        path, address = case.path_of("memmap_entries"), case.address_of("memmap_entries")
        yield Defect(path, f"memmap_entries {message}", address, severity)


def _overrun(case: Case, count: int) -> tuple[str, str]:
    """Return the consequence of this number of entries, and its severity."""
    if count <= ZERO_PAGE_ENTRIES:
        return "boot_params has no room left for the ISA range that Linux adds", INFO
    if count >= _ONE_BYTE:
        return f"Linux counts them in one byte, as {count % _ONE_BYTE}, and loses the rest", case.fatal_severity
    if count <= _FIT_IN_STRUCTURE:
        room = f"e820_table has room for {ZERO_PAGE_ENTRIES}"
        return f"{room}, and the rest overwrites the fields of boot_params after it", WARNING
    excess = BootParams.e820_table.offset + count * BootE820Entry.SIZE - BootParams.SIZE
    return f"they overwrite {excess} bytes of the kernel's memory after boot_params", case.fatal_severity


@rule("PVH208", WARNING, ERROR)
def memory_map_has_no_ram(case: Case) -> Iterator[Defect]:
    """If the map lists no RAM (type 1), or none above 1 MiB, the kernel has no memory for the page tables of its direct
    map. A 64-bit Linux then panics in `alloc_low_pages`. A 32-bit Linux adds its own image to the map as RAM, and runs
    out of memory later. RAM that an entry of another type also covers does not count.

    List the machine's memory as type 1, and do not list it as another type as well.

    Source: Linux arch/x86/mm/init.c, alloc_low_pages, and arch/x86/kernel/setup.c, e820_add_kernel_range.
    """
    if not case.map_entries or _has_high_ram(case):
        return
    severity, index = case.fatal_severity, _hiding_entry(case)
    lacking = f"no usable RAM (type {RAM})" if not case.ram else f"no RAM (type {RAM}) above 1 MiB"
    consequence = "the kernel panics when it sets up its page tables"
    if case.ram and case.image and case.image.elf_class == 32:
        severity, consequence = WARNING, "the kernel has little more than its own image and soon runs out of memory"
    message = f"the map lists {lacking}: {consequence}. {_about_entry(case, index)}List the machine's memory as RAM."
    yield Defect("memory_map.entries" if index is None else _path(index), message, _address(case, index or 0), severity)


def _has_high_ram(case: Case) -> bool:
    return any(end > _LOW for _, end in case.ram)


def _hiding_entry(case: Case) -> int | None:
    """Return the index of the entry above 1 MiB that lists the most RAM of the machine as another type."""
    size = ram_size(case.memory) or 0
    hidden = {
        index: min(entry.end, size) - max(entry.addr, _LOW)
        for index, entry in enumerate(case.map_entries)
        if entry.type != RAM
    }
    index = max(hidden, key=hidden.__getitem__, default=None)
    return index if index is not None and hidden[index] > max(size // _KEPT_BY_FIRMWARE, _LOW) else None


def _about_entry(case: Case, index: int | None) -> str:
    if index is None:
        return ""
    entry = case.map_entries[index]
    return f"Entry {index} lists {entry.addr:#x}-{entry.end:#x} as type {E820_TYPES.label(entry.type)}. "


@rule("PVH209", WARNING)
def kernel_is_not_in_ram(case: Case) -> Iterator[Defect]:
    """If the kernel is in memory that the map does not list as RAM, something else may use that memory: a device, or
    code that trusts the map. Linux adds its own image to its map as RAM, and boots if there is enough other RAM.

    Load the kernel into RAM, or list its memory as RAM.

    Source: Linux arch/x86/kernel/setup.c, e820_add_kernel_range, with which Linux adds its own image to the map.
    """
    if not _has_high_ram(case):  # PVH208 reports this
        return
    segments = [*_loaded_segments(case)]
    if len(segments) > 1 and not any(ranges.touches(case.ram, segment.start, segment.end) for segment in segments):
        start, end = min(segment.start for segment in segments), max(segment.end for segment in segments)
        message = (
            f"the whole kernel, {start:#x}-{end:#x}, is outside of all RAM in the map: something else may use that "
            "memory. Load the kernel into RAM, or list that memory as RAM."
        )
        yield Defect(segments[0].field, message)
        return
    for segment in segments:
        if not ranges.holds(case.ram, segment.start, segment.end):
            message = (
                f"kernel segment {segment.start:#x}-{segment.end:#x} is not all in RAM: something else may use that "
                "memory. Load the kernel into RAM, or list that memory as RAM."
            )
            yield Defect(segment.field, message)


def _loaded_segments(case: Case) -> Iterator[Region]:
    """Yield the kernel's segments, without what is past the end of the machine's memory, which PVH507 reports."""
    size = _memory(case)
    end = size if 0 < size <= BELOW_EVERY_HOLE else None
    for segment in regions.kernel(case.image):
        if end is None or segment.start < end:
            yield segment if end is None else segment._replace(end=min(segment.end, end))


def _memory(case: Case) -> int:
    """Return the size of the machine's memory, as QEMU rounds it; 0 if it is not known."""
    return -(-(ram_size(case.memory) or 0) // _RAM_UNIT) * _RAM_UNIT


@rule("PVH210", ERROR)
def memory_map_lists_less_ram_than_the_machine_has(case: Case) -> Iterator[Defect]:
    """A PVH guest learns about its memory only from the map. It does not use memory that the map does not list as RAM.

    Compare the sum of the RAM entries with -m. Firmware keeps a little memory for itself, a few hundred KiB.

    Source: QEMU hw/i386/pc.c and microvm.c: RAM is -m, below and above the hole under 4 GiB.
    """
    size, listed = ram_size(case.memory), ranges.total(case.ram)
    if size and _has_high_ram(case) and listed < size - max(size // _KEPT_BY_FIRMWARE, _LOW):
        index = _hiding_entry(case)
        message = (
            f"the map lists only {listed:#x} of {size:#x} bytes of RAM (-m {case.memory}): the kernel does not use the "
            f"rest. {_about_entry(case, index)}List all RAM."
        )
        field = "memory_map.entries" if index is None else _path(index)
        yield Defect(field, message, _address(case, index or 0))


@rule("PVH211", INFO, only_linux=True)
def ram_is_listed_in_the_isa_range(case: Case) -> Iterator[Defect]:
    """Linux reserves 0xa0000-0xfffff for video memory and ROMs, whatever the map says. It does not use RAM that the map
    lists in this range.

    List the range as reserved, or omit it.

    Source: Linux arch/x86/platform/pvh/enlighten.c, init_pvh_bootparams.
    """
    for index, entry in enumerate(case.map_entries):
        low, high = max(entry.addr, ISA_START), min(entry.end, ISA_START + ISA_SIZE)
        if entry.type == RAM and low < high:
            message = f"entry {index} lists {low:#x}-{high:#x} as RAM: Linux reserves it as part of the ISA range."
            yield Defect(_path(index), message, _address(case, index))


@rule("PVH212", ERROR)
def memory_map_cannot_be_read(case: Case) -> Iterator[Defect]:
    """If there is no memory at the table's address, the kernel reads whatever the bus returns, or faults on the access.

    Check the address: memmap_paddr, or paddr of module 1 if the map is an "e820 data" module.

    Source: Xen start_info.h.
    """
    memory_map, missing = case.capture.memory_map, case.capture.missing
    if memory_map is None:
        if "memory_map" in missing and case.capture.stage in ("entry", "prepare") and case.start_info:
            message = f"the memory map cannot be read ({missing['memory_map']}). Check its address."
            yield Defect("memory_map", message)
    elif memory_map.nr_entries and not case.map_records:
        why = NO_MEMORY if case.map_is_absent else missing.get("memory_map.entries", NO_MEMORY)
        message = f"the map's {memory_map.nr_entries} entries cannot be read ({why}). Check the map's address."
        yield Defect("memory_map.paddr", message, memory_map.paddr)


@rule("PVH213", ERROR, INFO, cause=True)
def memory_map_lists_ram_where_the_machine_has_none(case: Case) -> Iterator[Defect]:
    """A guest uses all memory that the map lists as RAM. Where the machine has no memory, what the guest writes is lost
    and what it reads is not what it wrote. Linux may use such memory for its page tables or its memory management, and
    then crashes long after its PVH boot, at an address that shows no connection to the map. Less than a page does no
    harm to Linux, which uses only whole pages.

    List only memory that the machine has. Compare the end of the last RAM entry with -m.

    Source: QEMU hw/i386/pc.c and microvm.c: up to 2 GiB, RAM is in one piece from 0 to -m.
    """
    size = _memory(case)
    for index, entry in enumerate(case.map_entries if size else ()):
        start, end = max(entry.addr, size), min(entry.end, BELOW_EVERY_HOLE)
        if entry.type == RAM and start < end and entry.end <= _TWO_TO_64:
            yield _without_memory(case, index, start, end)


def _without_memory(case: Case, index: int, start: int, end: int) -> Defect:
    severity, why = None, f"with -m {case.memory}, what the kernel writes there is lost, and it usually crashes"
    if end - start < _PAGE:
        severity, why = INFO, "that is less than a page, and Linux uses only whole pages"
    message = f"entry {index} lists RAM at {start:#x}-{end:#x}, where the machine has none: {why}. {_ONLY_MEMORY}"
    return Defect(_path(index), message, _address(case, index), severity)
