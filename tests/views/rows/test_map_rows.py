from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.abi.layout import records
from pvhdbg.views.rows import map_rows
from tests import build


def entries(*ranges: build.Range) -> tuple[BootE820Entry, ...]:
    return records(BootE820Entry, build.e820(ranges), 0x1000)


def test_what_nothing_lists_is_counted_in_the_order_of_addresses_whatever_the_tables_order() -> None:
    unsorted = entries((0x3000, 0x1000, 1), (0x0, 0x1000, 1), (0x4000, 0x1000, 2))

    assert [0x2000, 0, 0] == map_rows.gaps(unsorted)


def test_an_overlap_is_a_negative_gap_of_the_bytes_that_are_listed_twice() -> None:
    assert [0, -0x800, -0x100] == map_rows.gaps(entries((0, 0x1000, 1), (0x800, 0x1000, 2), (0x900, 0x100, 1)))


def test_an_empty_entry_neither_overlaps_nor_leaves_a_gap_behind_it() -> None:
    assert [0, 0, 0] == map_rows.gaps(entries((0, 0x1000, 1), (0x800, 0, 0), (0x1000, 0x1000, 1)))


def test_an_entry_is_a_row_with_columns_and_with_its_fields_below() -> None:
    row, *fields = map_rows.entry_rows(entries((0x100000, 0x100000, 42)), "e820_table", fields=True)

    assert ("[0]", "0x100000-0x200000", "1 MiB", "unknown (42)", "gap of 1 MiB before") == row.columns
    assert ("1 MiB unknown (42), gap of 1 MiB before", 0x100000, 0x1000) == (row.meaning, row.leads_to, row.address)
    assert ["addr", "size", "type"] == [each.name for each in fields]
    assert [1, 1, 1] == [each.depth for each in fields]


def test_the_summary_counts_entries_and_ram_alone() -> None:
    assert "2 entries: 1 MiB of RAM" == map_rows.summary(entries((0, 1 << 20, 1), (1 << 20, 1 << 20, 2)))


def test_no_map_at_all_says_why() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(version=0))
    protocol, paddr, nr_entries = map_rows.memory_map_rows(guest.at("entry"))

    assert ("none", "no map was handed over") == (protocol.value, protocol.meaning)
    assert ("-", "version 0 has no memory map, and there is no module 1") == (paddr.value, paddr.meaning)
    assert "0" == nr_entries.value


def test_the_kernels_table_begins_behind_its_count() -> None:
    head, first, *_ = map_rows.e820_rows(build.boot().stops[-1])

    assert ("5", build.TABLE, 0) == (head.value, head.address, head.offset)
    assert (build.TABLE + 4, 4) == (first.address, first.offset)
