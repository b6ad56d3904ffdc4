"""Translate virtual to physical addresses by walking the page tables: 32-bit, PAE, 4 and 5 levels.

Source: Intel SDM volume 3A, chapter 4 (the same in AMD APM volume 2, chapter 5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pvhdbg.abi.cpu import CR0_PG, CR4_LA57, CR4_PAE, CR4_PSE, EFER_LMA

PRESENT, LARGE = 1, 1 << 7
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
    table = paging.cr3 & (ADDRESS if long_mode else 0xFFFFFFE0 if paging.cr4 & CR4_PAE else 0xFFFFF000)
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
        table = entry & (ADDRESS if level.entry_size == 8 else 0xFFFFF000)
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
