"""Tables of C structures: a wrong table fails to import, and any bytes can be decoded."""

import subprocess
import sys

import pytest

from pvhdbg.abi.layout import Bits, Field, Name, OpenEnum, Struct, hex, raw_bytes, records, u8, u16, u32, u32_array  # noqa: A004
from pvhdbg.abi.start_info import SIZE_V0, ModlistEntry, StartInfo


def make(size: int, **fields: Field[int]) -> type[Struct]:
    """Create a structure as a class statement does."""

    class Made(Struct, size=size, c_name="made", source="a test"):
        locals().update(fields)

    return Made


def test_a_table_with_a_gap_fails_to_import() -> None:
    with pytest.raises(TypeError, match=r"made\.b is at 0x4, the previous field ends at 0x2"):
        make(8, a=u16(0, "first"), b=u32(4, "second"))


def test_a_table_that_does_not_start_at_0_fails_to_import() -> None:
    with pytest.raises(TypeError, match=r"made\.a is at 0x2"):
        make(4, a=u16(2, "first"))


def test_a_table_with_an_overlap_fails_to_import() -> None:
    with pytest.raises(TypeError, match=r"made\.b is at 0x2, the previous field ends at 0x4"):
        make(6, a=u32(0, "first"), b=u32(2, "second"))


def test_a_table_whose_size_differs_from_the_declared_size_fails_to_import() -> None:
    with pytest.raises(TypeError, match="ends at 0x4, but its size is 0x8"):
        make(8, a=u32(0, "first"))


@pytest.mark.parametrize("name", ["at", "raw", "rows", "has"])
def test_a_field_cannot_hide_an_attribute_of_every_record(name: str) -> None:
    with pytest.raises(TypeError, match="would hide"):
        make(4, **{name: u32(0, "the only one")})


def test_a_record_has_values_and_the_addresses_of_its_fields() -> None:
    record = ModlistEntry(bytes(range(32)), 0x1000)

    assert (0x0706050403020100, 0x1000) == (record.paddr, record.at)
    assert 0x1010 == record.address_of(ModlistEntry.cmdline_paddr)


def test_the_class_holds_the_rows_of_the_table() -> None:
    assert ("cmdline_paddr", 0x18, "u64", StartInfo) == (
        StartInfo.cmdline_paddr.name,
        StartInfo.cmdline_paddr.offset,
        StartInfo.cmdline_paddr.ctype,
        StartInfo.cmdline_paddr.owner,
    )


def test_a_record_of_an_older_version_lacks_the_later_fields() -> None:
    record = StartInfo(bytes(SIZE_V0))

    assert ["memmap_paddr", "memmap_entries", "reserved"] == [
        field.name for field in StartInfo.FIELDS if not record.has(field)
    ]
    assert SIZE_V0 == sum(field.size for field, _ in record.rows())


def test_records_are_equal_if_their_type_bytes_and_address_are_equal() -> None:
    assert ModlistEntry(bytes(32), 0x1000) == ModlistEntry(bytes(32), 0x1000)
    assert ModlistEntry(bytes(32), 0x1000) != ModlistEntry(bytes(32), 0x2000)
    assert ModlistEntry(bytes(32)) != StartInfo(bytes(32))


def test_an_incomplete_record_at_the_end_of_a_table_is_dropped() -> None:
    assert [0x1000, 0x1020] == [record.at for record in records(ModlistEntry, bytes(32 + 32 + 31), 0x1000)]


def test_an_unknown_value_is_shown_with_its_number() -> None:
    names = OpenEnum({1: Name("ONE", "the first"), 2: Name("TWO")})

    assert ["ONE: the first", "TWO", "unknown (42)"] == [names.text(value) for value in (1, 2, 42)]
    assert ["ONE", "unknown"] == [names.name(value) for value in (1, 42)]


def test_bits_without_a_name_are_shown_as_a_number() -> None:
    names = Bits({0x1: Name("A"), 0x6: Name("B")})

    assert ["", "A", "A | B", "A | 0x2", "0x8"] == [names.text(value) for value in (0, 1, 7, 3, 8)]


def test_values_are_formatted_as_their_table_says() -> None:
    made = make(
        4, count=u16(0, "a count"), address=u8(2, "an address", hex, names=Bits({0x2: Name("TWO")})), c=u8(3, "c")
    )
    count, address, _ = made.FIELDS

    assert ("10", "0xa", "", "TWO | 0x8") == (
        count.text(10),
        address.text(10),
        count.value_name(10),
        address.value_name(10),
    )
    assert "0x1, 0x2" == u32_array(0, 2, "two").text((1, 2))
    assert ("de ad", "0") == (raw_bytes(0, 2, "b").text(b"\xde\xad"), raw_bytes(0, 2, "b").text(bytes(2)))


def test_the_tables_import_only_typing() -> None:
    program = (
        "import sys, typing, __future__\n"
        "before = set(sys.modules)\n"
        "import pvhdbg.abi.boot_params, pvhdbg.abi.cpu, pvhdbg.abi.notes, pvhdbg.abi.roles, pvhdbg.abi.start_info\n"
        "print([name for name in set(sys.modules) - before if not name.startswith('pvhdbg')])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert "[]\n" == done.stdout


def test_a_row_is_found_only_by_the_name_of_its_field() -> None:
    assert StartInfo.field("modlist_paddr") is StartInfo.modlist_paddr
    for name in ("SIZE", "raw", "no_such"):
        with pytest.raises(KeyError):
            StartInfo.field(name)
