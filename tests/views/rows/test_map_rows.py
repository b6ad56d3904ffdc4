from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.abi.layout import records
from pvhdbg.views.rows import map_rows
from tests import build


def entries(*ranges: build.Range) -> tuple[BootE820Entry, ...]:
    return records(BootE820Entry, build.e820(ranges), 0x1000)


def test_gaps_are_measured_in_address_order_even_if_the_table_is_unsorted() -> None:
    unsorted = entries((0x3000, 0x1000, 1), (0x0, 0x1000, 1), (0x4000, 0x1000, 2))

    assert [0x2000, 0, 0] == map_rows.gaps(unsorted)


def test_an_overlap_is_a_negative_gap() -> None:
    assert [0, -0x800, -0x100] == map_rows.gaps(entries((0, 0x1000, 1), (0x800, 0x1000, 2), (0x900, 0x100, 1)))


def test_an_empty_entry_causes_no_overlap_and_no_gap() -> None:
    assert [0, 0, 0] == map_rows.gaps(entries((0, 0x1000, 1), (0x800, 0, 0), (0x1000, 0x1000, 1)))


def test_an_entry_is_a_row_with_columns_followed_by_its_fields() -> None:
    row, *fields = map_rows.entry_rows(entries((0x100000, 0x100000, 42)), "e820_table", fields=True)

    assert ("[0]", "0x100000-0x200000", "1 MiB", "unknown (42)", "1 MiB gap before") == row.columns
    assert ("1 MiB unknown (42), 1 MiB gap before", 0x100000, 0x1000) == (row.meaning, row.leads_to, row.address)
    assert ["addr", "size", "type"] == [field.name for field in fields]
    assert [1, 1, 1] == [field.depth for field in fields]


def test_the_summary_counts_all_entries_and_the_size_of_ram() -> None:
    assert "2 entries, 1 MiB of RAM" == map_rows.summary(entries((0, 1 << 20, 1), (1 << 20, 1 << 20, 2)))


def test_a_missing_map_has_a_reason() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(version=0))
    protocol, paddr, nr_entries = map_rows.memory_map_rows(guest.at("entry"))

    assert ("none", "no memory map") == (protocol.value, protocol.meaning)
    assert ("-", "version 0 has no memory map, and there is no module 1") == (paddr.value, paddr.meaning)
    assert "0" == nr_entries.value


def test_the_entries_of_e820_table_follow_its_count() -> None:
    head, first, *_ = map_rows.e820_rows(build.boot().stops[-1])

    assert ("5", build.TABLE, 0) == (head.value, head.address, head.offset)
    assert (build.TABLE + 4, 4) == (first.address, first.offset)


def test_the_fields_of_entries_are_rows_only_on_request() -> None:
    entry, *_, e820 = build.boot().stops
    maps = map_rows.memory_map_rows(entry), map_rows.memory_map_rows(entry, fields=True)
    tables = map_rows.e820_rows(e820), map_rows.e820_rows(e820, fields=True)

    assert (3 + 6, 3 + 6 * 5) == tuple(map(len, maps))
    assert (1 + 5, 1 + 5 * 4) == tuple(map(len, tables))


def test_the_summary_says_how_much_ram_is_listed_as_another_type_too() -> None:
    assert "2 entries, 4 KiB of RAM" == map_rows.summary(entries((0, 0x1000, 1), (0x1000, 0x1000, 2)))
    assert "2 entries, 4 KiB of RAM, 1 KiB of it also listed as another type" == map_rows.summary(
        entries((0, 0x1000, 1), (0xC00, 0x1000, 2))
    )
