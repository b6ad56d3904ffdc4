"""Page walks on tables built by hand; tests/boot/test_real_kernels.py compares them with QEMU's."""

from __future__ import annotations

import random
from collections import deque

import pytest

from pvhdbg.abi.paging import Paging, mapped, visit_tables, walk
from pvhdbg.errors import MemoryUnreadable

PG, PE = 1 << 31, 1
PSE, PAE, LA57 = 1 << 4, 1 << 5, 1 << 12
LME, LMA = 1 << 8, 1 << 10
P, LARGE = 1, 1 << 7


class Tables:
    """Guest memory that contains only page-table entries."""

    def __init__(self, entries: dict[int, int], size: int) -> None:
        self.entries = entries
        self.size = size

    def read(self, paddr: int, size: int) -> bytes:
        if paddr not in self.entries:
            raise MemoryUnreadable(paddr, size)
        return self.entries[paddr].to_bytes(self.size, "little")


def long_mode(*, five: bool = False) -> Paging:
    return Paging(PG | PE, 0x1000, PAE | (LA57 if five else 0), LME | LMA)


def test_without_paging_an_address_is_physical() -> None:
    assert walk(Tables({}, 8).read, Paging(PE, 0, 0, 0), 0x1234).paddr == 0x1234


def test_four_levels_lead_to_a_small_page() -> None:
    vaddr = 0xFFFFFFFF81234567
    tables = Tables(
        {
            0x1000 + 8 * 511: 0x2000 | P,
            0x2000 + 8 * 510: 0x3000 | P,
            0x3000 + 8 * 9: 0x4000 | P,
            0x4000 + 8 * 0x34: 0xABC000 | P | 1 << 63,
        },
        8,
    )

    result = walk(tables.read, long_mode(), vaddr)

    assert result.paddr == 0xABC567
    assert [step.level for step in result.steps] == ["PML4", "PDPT", "PD", "PT"]


def test_tables_of_8_byte_entries_may_be_above_4_gib() -> None:
    top, below = 0x12_3456_7000, 0xF_FFFF_FFFF_F000
    entries = {
        0x1000: top | P | 1 << 63,
        top: below | P,
        below: 0x4000 | P,
        0x4000: below | P | 0xE02,
    }

    assert walk(Tables(entries, 8).read, long_mode(), 0x123).paddr == below + 0x123


@pytest.mark.parametrize(("levels", "expected"), [(2, 0x40000000 + 0x1234567), (3, 0x600000 + 0x34567)])
def test_a_large_page_ends_the_walk(levels: int, expected: int) -> None:
    entries = {0x1000: 0x2000 | P, 0x2000: 0x40000000 | P | LARGE}
    if levels == 3:
        entries |= {0x2000: 0x3000 | P, 0x3000 + 8 * 9: 0x600000 | P | LARGE | 1 << 12}

    assert walk(Tables(entries, 8).read, long_mode(), 0x1234567).paddr == expected


def test_five_levels_begin_with_pml5() -> None:
    entries = {0x1000 + 8: 0x5000 | P, 0x5000: 0x2000 | P, 0x2000: P | LARGE}

    result = walk(Tables(entries, 8).read, long_mode(five=True), 1 << 48 | 0x77)

    assert result.paddr == 0x77
    assert result.steps[0].level == "PML5"


MODES = {
    "5 levels": (long_mode(five=True), 8, (512, 512, 512, 512, 512)),
    "4 levels": (long_mode(), 8, (512, 512, 512, 512)),
    "PAE": (Paging(PG | PE, 0x1000, PAE, 0), 8, (4, 512, 512)),
    "32-bit": (Paging(PG | PE, 0x1000, 0, 0), 4, (1024, 1024)),
}


@pytest.mark.parametrize("mode", MODES)
def test_the_last_page_is_reached_by_the_last_entry_of_each_table(mode: str) -> None:
    paging, size, counts = MODES[mode]
    tables = [0x1000 * number for number in range(1, len(counts) + 1)]
    last = [table + size * (count - 1) for table, count in zip(tables, counts, strict=True)]
    entries = dict(zip(last, [table | P for table in (*tables[1:], 0xABC000)], strict=True))
    top = 0xFFFFFFFF if not paging.efer else 0xFFFFFFFF_FFFFFFFF
    result = walk(Tables(entries, size).read, paging, top)

    assert last == [step.paddr for step in result.steps]
    assert result.paddr == 0xABCFFF


def test_pae_has_a_table_of_four_entries_aligned_to_32_bytes() -> None:
    entries = {0x1020 + 8 * 3: 0x2000 | P, 0x2000 + 8: 0x200000 | P | LARGE}

    result = walk(Tables(entries, 8).read, Paging(PG | PE, 0x1020, PAE, 0), 0xC0200123)

    assert result.paddr == 0x200123


@pytest.mark.parametrize(
    ("cr4", "entries", "expected"),
    [
        (PSE, {0x1000 + 4 * 0x300: 0x800000 | 2 << 13 | P | LARGE}, 0x2_0080_1234),
        (0, {0x1000 + 4 * 0x300: 0x2000 | P | LARGE, 0x2004: 0x5000 | P}, 0x5234),
    ],
)
def test_32_bit_tables_have_large_pages_only_with_pse(cr4: int, entries: dict[int, int], expected: int) -> None:
    assert walk(Tables(entries, 4).read, Paging(PG | PE, 0x1000, cr4, 0), 0xC0001234).paddr == expected


def test_an_entry_that_is_not_present_ends_the_walk_and_its_steps_are_kept() -> None:
    result = walk(Tables({0x1000: 0x2000 | P, 0x2000: 0}, 8).read, long_mode(), 0x1234)

    assert result.paddr is None
    assert [(step.level, step.entry) for step in result.steps] == [("PML4", 0x2001), ("PDPT", 0)]


@pytest.mark.parametrize(("five", "bits"), [(False, 48), (True, 57)])
def test_a_non_canonical_address_is_not_mapped_and_reads_no_table(five: bool, bits: int) -> None:
    hole = 1 << bits - 1, (1 << 64) - (1 << bits - 1) - 1

    assert [None, None] == [walk(Tables({}, 8).read, long_mode(five=five), vaddr).paddr for vaddr in hole]
    for vaddr in (hole[0] - 1, hole[1] + 1):
        with pytest.raises(MemoryUnreadable):
            walk(Tables({}, 8).read, long_mode(five=five), vaddr)


def test_a_table_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(MemoryUnreadable):
        walk(Tables({}, 8).read, long_mode(), 0)


@pytest.mark.parametrize(
    "paging", [long_mode(), long_mode(five=True), Paging(PG, 0x1000, PAE, 0), Paging(PG, 0x1000, PSE, 0)]
)
def test_the_tables_that_are_visited_are_those_that_show_what_is_mapped(paging: Paging) -> None:
    for seed in range(20):
        assert tables_read(paging, seed, visit=False) == tables_read(paging, seed, visit=True)


def tables_read(paging: Paging, seed: int, *, visit: bool) -> list[int]:
    """Return the addresses of the tables that are read, among random tables that lead to each other."""
    generator, read = random.Random(seed), list[int]()
    pages = {
        number << 12: generator.choices((0, *(n << 12 | P | LARGE * (n % 3 == 0) for n in range(8))), k=4096)
        for number in range(6)
    }
    size = paging.levels()[0].entry_size

    def read_phys(paddr: int, length: int) -> bytes:
        read.append(paddr)
        if paddr not in pages:
            raise MemoryUnreadable(paddr, length)
        return b"".join(entry.to_bytes(size, "little") for entry in pages[paddr][: length // size])

    if visit:
        visit_tables(read_phys, paging, 12)
    else:
        deque(mapped(read_phys, paging, 12), 0)
    return read
