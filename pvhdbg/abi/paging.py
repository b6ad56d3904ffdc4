"""Translate virtual to physical addresses by walking the page tables: 32-bit, PAE, 4 and 5 levels.

Source: Intel SDM volume 3A, chapter 4 (the same in AMD APM volume 2, chapter 5).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from pvhdbg.abi.cpu import CR0_PG, CR4_LA57, CR4_PAE, CR4_PSE, EFER_LMA
from pvhdbg.errors import MemoryUnreadable
from pvhdbg.named_tuple import NamedTuple

PRESENT, WRITABLE, USER, LARGE, NO_EXECUTE = 1, 1 << 1, 1 << 2, 1 << 7, 1 << 63
ADDRESS = 0x000F_FFFF_FFFF_F000

ReadPhys = Callable[[int, int], bytes]


class Paging(NamedTuple):
    """The control registers that select how the processor translates addresses."""

    cr0: int
    cr3: int
    cr4: int
    efer: int

    @property
    def on(self) -> bool:
        return bool(self.cr0 & CR0_PG)

    @property
    def top_table(self) -> int:
        """The physical address of the top-level page table."""
        if self.efer & EFER_LMA:
            return self.cr3 & ADDRESS
        return self.cr3 & (0xFFFFFFE0 if self.cr4 & CR4_PAE else 0xFFFFF000)

    def levels(self) -> tuple[Level, ...]:
        """Return the levels of page tables, top level first, in the paging mode that these registers select."""
        if self.efer & EFER_LMA:
            four = tuple(
                Level(name, shift, 9, 8) for name, shift in (("PML4", 39), ("PDPT", 30), ("PD", 21), ("PT", 12))
            )
            return (Level("PML5", 48, 9, 8), *four) if self.cr4 & CR4_LA57 else four
        if self.cr4 & CR4_PAE:
            return Level("PDPT", 30, 2, 8), Level("PD", 21, 9, 8), Level("PT", 12, 9, 8)
        return Level("PD", 22, 10, 4), Level("PT", 12, 10, 4)


class Level(NamedTuple):
    """One level of page tables. It translates `bits` bits of the address, starting at bit `shift`.

    `entry_size` is in bytes.
    """

    name: str
    shift: int
    bits: int
    entry_size: int

    def table_at(self, entry: int) -> int:
        """Return the address of the next table, from an entry of this level."""
        return entry & (ADDRESS if self.entry_size == 8 else 0xFFFFF000)


class Step(NamedTuple):
    """A page-table entry that a walk read: the name of its level, its physical address, and its value."""

    level: str
    paddr: int
    entry: int


class Walk(NamedTuple):
    """The result of a translation: the physical address (None if `vaddr` is not mapped), and the entries read."""

    vaddr: int
    paddr: int | None
    steps: tuple[Step, ...]


def walk(read_phys: ReadPhys, paging: Paging, vaddr: int) -> Walk:
    """Translate `vaddr` as the processor would. If paging is off, the address is already physical.

    :raise MemoryUnreadable: if a table cannot be read.
    """
    if not paging.on:
        return Walk(vaddr, vaddr, ())
    long_mode = bool(paging.efer & EFER_LMA)
    if long_mode and not _canonical(vaddr, 57 if paging.cr4 & CR4_LA57 else 48):
        return Walk(vaddr, None, ())
    table = paging.top_table
    steps: list[Step] = []
    for level in paging.levels():
        index = vaddr >> level.shift & (1 << level.bits) - 1
        paddr = table + index * level.entry_size
        entry = int.from_bytes(read_phys(paddr, level.entry_size), "little")
        steps.append(Step(level.name, paddr, entry))
        if not entry & PRESENT:
            return Walk(vaddr, None, tuple(steps))
        if level.shift == 12 or _is_large(paging, level, entry):
            return Walk(vaddr, _page_base(level, entry) | vaddr & (1 << level.shift) - 1, tuple(steps))
        table = level.table_at(entry)
    raise AssertionError("the last level has shift 12")


def _canonical(vaddr: int, bits: int) -> bool:
    return vaddr >> bits - 1 in (0, (1 << 64 - bits + 1) - 1)


def _is_large(paging: Paging, level: Level, entry: int) -> bool:
    """Return whether an entry maps a large page: 4 MiB (only with CR4.PSE), 2 MiB or 1 GiB."""
    if not entry & LARGE:
        return False
    if level.entry_size == 4:
        return bool(paging.cr4 & CR4_PSE)
    return level.name == "PD" or (level.name == "PDPT" and bool(paging.efer & EFER_LMA))


def _page_base(level: Level, entry: int) -> int:
    if level.entry_size == 4 and level.shift == 22:  # PSE-36: bits 13 to 20 are address bits 32 to 39
        return entry & 0xFFC00000 | (entry >> 13 & 0xFF) << 32
    address = entry & (ADDRESS if level.entry_size == 8 else 0xFFFFF000)
    return address >> level.shift << level.shift


class Mapped(NamedTuple):
    """Virtual addresses that are mapped in pages of one size with the same rights.

    `paddr` is None if the table for these addresses cannot be read; `page` is then 0. `rights` has WRITABLE, USER and
    NO_EXECUTE, as the entries of all levels together allow it.
    """

    vaddr: int
    paddr: int | None
    size: int
    page: int
    rights: int


def mapped(read_phys: ReadPhys, paging: Paging, most_tables: int) -> Iterator[Mapped]:
    """Yield what the tables map, in the order of their entries, adjacent pages joined. Read at most `most_tables`."""
    before: Mapped | None = None
    for one in _Tables(read_phys, paging, most_tables).pages(paging.levels(), paging.top_table, 0, WRITABLE | USER):
        if before is not None and _continues(before, one):
            before = before._replace(size=before.size + one.size)
            continue
        if before is not None:
            yield before
        before = one
    if before is not None:
        yield before


def visit_tables(read_phys: ReadPhys, paging: Paging, most_tables: int) -> None:
    """Read the tables that `mapped` reads, in the same order."""
    _Tables(read_phys, paging, most_tables).visit(paging.levels(), paging.top_table)


def _continues(before: Mapped, one: Mapped) -> bool:
    follows = None if before.paddr is None else before.paddr + before.size
    return before.vaddr + before.size == one.vaddr and (follows, *before[3:]) == (one.paddr, *one[3:])


class _Tables:
    """Page tables that are read one after the other. `left` is how many may still be read."""

    def __init__(self, read_phys: ReadPhys, paging: Paging, most: int) -> None:
        self._read = read_phys
        self._paging = paging
        self._left = most
        top = paging.levels()[0]
        self._sign = 1 << top.shift + top.bits - 1

    def visit(self, levels: tuple[Level, ...], table: int) -> None:
        """Read a table and the tables below it, in the order in which `pages` does, but look at no page."""
        level = levels[0]
        entries = self._entries(level, table)
        if entries is None or level.shift == 12:
            return
        for entry in entries:
            if entry & PRESENT and not _is_large(self._paging, level, entry):
                self.visit(levels[1:], level.table_at(entry))

    def pages(self, levels: tuple[Level, ...], table: int, base: int, rights: int) -> Iterator[Mapped]:
        level = levels[0]
        entries = self._entries(level, table)
        if entries is None:
            yield Mapped(self._canonical(base), None, 1 << level.shift + level.bits, 0, 0)
            return
        for index, entry in enumerate(entries):
            if entry & PRESENT:
                yield from self._entry(levels, entry, base | index << level.shift, rights)

    def _entry(self, levels: tuple[Level, ...], entry: int, vaddr: int, rights: int) -> Iterator[Mapped]:
        level = levels[0]
        if level.bits > 2:  # the four entries of PAE's top level have no rights
            rights = rights & entry & (WRITABLE | USER) | (rights | entry) & NO_EXECUTE
        if level.shift == 12 or _is_large(self._paging, level, entry):
            size = 1 << level.shift
            yield Mapped(self._canonical(vaddr), _page_base(level, entry), size, size, rights)
        else:
            yield from self.pages(levels[1:], level.table_at(entry), vaddr, rights)

    def _entries(self, level: Level, table: int) -> tuple[int, ...] | None:
        """Return the entries of a table; None if it cannot be read, or if enough tables were read."""
        self._left -= 1
        entries = struct.Struct(f"<{1 << level.bits}{'Q' if level.entry_size == 8 else 'I'}")
        try:
            return entries.unpack(self._read(table, entries.size)) if self._left >= 0 else None
        except MemoryUnreadable:
            return None

    def _canonical(self, vaddr: int) -> int:
        sign = self._sign
        return vaddr | (1 << 64) - (sign << 1) if sign > 1 << 32 and vaddr & sign else vaddr
