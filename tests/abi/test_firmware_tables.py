"""Tables of the firmware are found by signature, alignment and checksum."""

from __future__ import annotations

import pytest

from pvhdbg.abi.firmware_tables import MP_TABLE, RSDP, SMBIOS, FoundTable, find, search_ranges


def table(signature: bytes, size: int, *size_byte: int) -> bytes:
    """Return a table with a correct checksum. `size_byte` is the offset and the value of its size, if it has one."""
    raw = bytearray(signature.ljust(size, b"\0"))
    if size_byte:
        raw[size_byte[0]] = size_byte[1]
    raw[-1] = -sum(raw) & 0xFF
    return bytes(raw)


TABLES = {
    RSDP: table(b"RSD PTR ", 20),
    MP_TABLE: table(b"_MP_", 16, 8, 1),
    SMBIOS: table(b"_SM_", 31, 5, 31),
    "SMBIOS 3": table(b"_SM3_", 24, 6, 24),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_found_at_a_multiple_of_16(name: str) -> None:
    data = bytes(32) + TABLES[name] + bytes(16)
    expected = FoundTable(SMBIOS if name == "SMBIOS 3" else name, 0xF0020, len(TABLES[name]))

    assert [expected] == list(find(data, 0xF0000))
    assert [] == list(find(data, 0xF0008))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_with_a_wrong_checksum_or_a_missing_end_is_not_found(name: str) -> None:
    whole = TABLES[name]

    assert [] == list(find(whole[:-1] + bytes([whole[-1] ^ 1]), 0))
    assert [] == list(find(whole[:-1], 0))
    assert [] == list(find(whole[:5], 0))


def test_a_table_of_size_0_is_not_found() -> None:
    assert [] == list(find(table(b"_SM_", 31, 5, 0), 0))


@pytest.mark.parametrize(
    ("ebda", "first"),
    [(None, 0x9FC00), (0x9FC00, 0x9FC00), (0x9F800, 0x9F800), (0x80000, 0x80000), (0x7FFF0, 0x9FC00), (0, 0x9FC00)],
)
def test_the_ebda_is_searched_if_its_address_is_plausible(ebda: int | None, first: int) -> None:
    ranges = search_ranges(None if ebda is None else (ebda >> 4).to_bytes(2, "little"))

    assert (first, first + 1024) == ranges[0]
    assert [(0x9FC00, 0xA0000), (0xE0000, 0x100000)] == ranges[-2:]
