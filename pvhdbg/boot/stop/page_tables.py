"""The page tables of a stop: which are recorded, and how they are read again.

Of a table, its entries that are not 0 are recorded, and MARKERS. If the markers are there, an entry without bytes is 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache

from pvhdbg.abi.paging import Paging, ReadPhys, visit_tables, walk
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.boot.stop.stages import DIED
from pvhdbg.errors import MemoryUnreadable, TargetError
from pvhdbg.target.base import Target
from pvhdbg.target.recording import Recorder, Recording

SIZE = 0x1000
MARKERS = (0, 2048, 4088)
"""The offsets of entries that are always recorded."""
MAX_TABLES = 16
"""The most tables that are recorded at one stop."""
_ENTRY = 8
_BELOW_LINKS = (1 << 30) - 1
"""Linux's link addresses are the physical ones below 1 GiB, plus a multiple of 1 GiB."""


def paging_of(registers: Mapping[str, int | None]) -> Paging | None:
    """Return the registers that select how addresses are translated; None if one is not known."""
    values = [registers.get(name) for name in ("cr0", "cr3", "cr4", "efer")]
    return Paging(*(value for value in values if value is not None)) if None not in values else None


def record(target: Recorder, machine: Target, capture: Capture) -> None:
    """Read the tables on the walks of `wanted` into `target`, and then others. `machine` is what `target` records."""
    paging = paging_of(capture.registers)
    if paging is None or not paging.on:
        return
    read, pages = reader(machine), dict[int, None]()

    def noted(paddr: int, size: int) -> bytes:
        data = read(paddr, size)
        pages.setdefault(paddr - paddr % SIZE)
        return data

    for vaddr in wanted(capture).values():
        with suppress(MemoryUnreadable):
            walk(noted, paging, vaddr)
    visit_tables(noted, paging, MAX_TABLES)
    for page in list(pages)[:MAX_TABLES]:
        for start, end in _recorded(read(page, SIZE)):
            target.read_phys(page + start, end - start)


def wanted(capture: Capture) -> dict[str, int]:
    """Return the addresses whose walks are recorded: of the code, of the stack, and of the boot data, by name.

    At a death, the first is what the CPU last failed to translate.
    """
    info, params = capture.effective_start_info, capture.boot_params or capture.kernel_boot_params
    values = {
        "cr2": capture.registers.get("cr2") if capture.stage == DIED else None,
        "rip": capture.rip,
        "rsp": capture.registers.get("rsp"),
        "gdtr": capture.registers.get("gdtr.base"),
        "start_info": _link_address(capture, info.at) if info and info.at else None,
        "boot_params": _link_address(capture, params.at) if params and params.at else None,
    }
    return {name: value for name, value in values.items() if value}


def _link_address(capture: Capture, paddr: int) -> int:
    """Return the link address of the kernel's variable at a physical address.

    Without such a variable, return the physical address, which is also the virtual one while there is an identity map.
    """
    vaddrs = (vaddr for vaddr in capture.symbols.values() if vaddr & _BELOW_LINKS == paddr != vaddr)
    return next(vaddrs, paddr)


def reader(target: Target) -> ReadPhys:
    """Return a function that reads page tables from a machine or from a recording."""

    @cache
    def table(page: int) -> bytes:
        found = _table(target, page)
        if found is None:
            raise MemoryUnreadable(page, SIZE, "the page table was not captured")
        return found

    def read(paddr: int, size: int) -> bytes:
        return table(paddr - paddr % SIZE)[paddr % SIZE :][:size]

    return read


def of_capture(capture: Capture) -> ReadPhys:
    """Return a function that reads the page tables of a capture."""
    return reader(Recording(capture.memory, {}, {}))


def _table(target: Target, page: int) -> bytes | None:
    """Return the table in a page; None if it cannot be read or was not recorded."""
    if not isinstance(target, Recording):
        try:
            return target.read_phys(page, SIZE)
        except TargetError:
            return None
    table, known = bytearray(SIZE), bytearray(SIZE)
    for start, data in target.parts(page, page + SIZE):
        table[start - page : start - page + len(data)] = data
        known[start - page : start - page + len(data)] = b"\1" * len(data)
    return bytes(table) if all(all(known[at : at + _ENTRY]) for at in MARKERS) else None


def _recorded(table: bytes) -> Iterator[tuple[int, int]]:
    """Yield the ranges of offsets of the entries to record."""
    known = {index for index, entry in enumerate(memoryview(table).cast("Q")) if entry}
    known.update(offset // _ENTRY for offset in MARKERS)
    starts = sorted(index for index in known if index - 1 not in known)
    ends = sorted(index + 1 for index in known if index + 1 not in known)
    yield from ((start * _ENTRY, end * _ENTRY) for start, end in zip(starts, ends, strict=True))
