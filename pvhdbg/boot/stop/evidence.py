"""Read memory that only the checks use. A Capture has no field for it, only its bytes in `memory`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.abi import firmware_tables
from pvhdbg.abi.start_info import RSDP_SIZE
from pvhdbg.boot.stop import page_tables, ranges, stages
from pvhdbg.boot.stop.map_entries import decode_entries
from pvhdbg.errors import TargetError
from pvhdbg.target.recording import readable_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pvhdbg.boot.stop.address import Addresses
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.ranges import AddressRange
    from pvhdbg.target.base import Target
    from pvhdbg.target.recording import Recorder

    Attempt = Callable[..., object]

CODE_BEFORE, CODE = 32, 96
MAX_GDT = 256
MODULE_HEAD = 2048
"""How many bytes of module 0 are read. A file system's magic number is in the first 2 KiB."""
MAX_TABLES = 16
"""The most tables of the firmware that are read. A hostile guest may have thousands."""


def read(target: Recorder, machine: Target, addresses: Addresses, capture: Capture, attempt: Attempt) -> None:
    """Read evidence into `target`. `capture` is what was decoded at this stop, still without its memory.

    `machine` is what `target` records: a search for tables reads more than is worth recording. `attempt` calls a
    function, and keeps the reason if it fails.
    """
    rip = _attempted(attempt, "code", addresses.rip)
    if rip is not None:
        attempt("code", target.read_phys, max(rip - CODE_BEFORE, 0), CODE)
    info = capture.effective_start_info
    if info is not None and info.rsdp_paddr:
        attempt("rsdp", target.read_phys, info.rsdp_paddr, RSDP_SIZE)
    page_tables.record(target, machine, capture)
    _read_gdt(target, addresses, capture)
    if capture.stage == stages.DIED:
        _read_cause_of_death(addresses, capture)
    if capture.stage == "entry":
        _read_module_head(target, capture)
        for paddr, size in _tables(machine, capture, _ebda_segment(target)):
            target.read_phys(paddr, size)


def _attempted(attempt: Attempt, path: str, function: Callable[..., int], *arguments: int) -> int | None:
    found = attempt(path, function, *arguments)
    return found if isinstance(found, int) else None


def _read_cause_of_death(addresses: Addresses, capture: Capture) -> None:
    """Read the page-table entries that translate CR2."""
    with suppress(TargetError):
        if cr2 := capture.registers.get("cr2"):
            addresses.physical(cr2)


def _read_gdt(target: Recorder, addresses: Addresses, capture: Capture) -> None:
    base, limit = (capture.registers.get(name) for name in ("gdtr.base", "gdtr.limit"))
    with suppress(TargetError):
        if base is not None and limit:
            target.read_phys(addresses.physical(base), min(limit + 1, MAX_GDT))


def _read_module_head(target: Recorder, capture: Capture) -> None:
    for module in (capture.modules or ())[:1]:
        with suppress(TargetError):
            target.read_phys(module.entry.paddr, min(module.entry.size, MODULE_HEAD))


def _tables(machine: Target, capture: Capture, ebda_segment: bytes | None) -> Iterator[AddressRange]:
    """Yield the addresses and sizes of the firmware's tables that a check reports, at most MAX_TABLES.

    These are an RSDP if rsdp_paddr is 0, and every table in memory that the map does not list.
    """
    info, memory_map = capture.start_info, capture.memory_map
    if info is None or memory_map is None or not memory_map.entries:
        return
    searched = firmware_tables.search_ranges(ebda_segment)
    listed = [(entry.addr, entry.end) for entry in decode_entries(memory_map.entries)]
    unlisted = ranges.minus(searched, listed)
    count = 0
    for start, end in searched if info.rsdp_paddr == 0 else unlisted:
        for part_start, data in _parts(machine, start, end):
            for table in firmware_tables.find(data, part_start):
                is_missing_rsdp = info.rsdp_paddr == 0 and table.name == firmware_tables.RSDP
                if count < MAX_TABLES and (is_missing_rsdp or ranges.touches(unlisted, table.paddr, table.paddr + 1)):
                    count += 1
                    yield table.paddr, table.size


def _parts(machine: Target, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    try:
        yield from readable_parts(machine, start, end)
    except TargetError:
        return


def _ebda_segment(target: Target) -> bytes | None:
    try:
        return target.read_phys(firmware_tables.EBDA_SEGMENT, 2)
    except TargetError:
        return None
