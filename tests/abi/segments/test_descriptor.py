"""Segment descriptors, compared with those of VMMs, whose fields are packed by other code from other sources."""

from __future__ import annotations

import pytest

from pvhdbg.abi.segments.descriptor import FIELDS, decode, hidden
from pvhdbg.abi.segments.table import entries, selector
from pvhdbg.vmm_profiles import rust_vmm
from pvhdbg.vmm_profiles.cpu_state import Segment

LINUX_USER_CODE = 0x00AFFB000000FFFF


def test_the_fields_cover_every_bit_of_a_descriptor_once() -> None:
    bits = [bit for field in FIELDS for first, count in field.parts for bit in range(first, first + count)]

    assert [*range(64)] == sorted(bits)


@pytest.mark.parametrize(
    "segment", [rust_vmm.CODE, rust_vmm.DATA, rust_vmm.TSS, Segment(0, 0x12345678, 0x9ABCD, 0x4092 << 8)]
)
def test_a_descriptor_and_a_hidden_part_have_the_segments_fields(segment: Segment) -> None:
    decoded = decode(segment.descriptor.to_bytes(8, "little"))

    assert (segment.base, segment.limit, segment.flags & 0xF0FF00) == (decoded.base, decoded.limit, decoded.flags)
    assert decoded == hidden(segment.base, segment.limit, segment.flags)


def test_the_fields_of_user_code_are_those_of_linux() -> None:
    decoded = decode(LINUX_USER_CODE.to_bytes(8, "little"))
    values = {field.name: decoded.value(field.name) for field in FIELDS}

    assert values == {
        "base": 0, "limit": 0xFFFFF, "type": 0xB, "S": 1, "DPL": 3, "P": 1, "AVL": 0, "L": 1, "D/B": 0, "G": 1,
    }  # fmt: skip
    assert ("64-bit code", "execute, read, accessed", 0xFFFFFFFF) == (decoded.kind, decoded.rights, decoded.limit)


def test_in_long_mode_a_system_descriptor_has_16_bytes() -> None:
    tss = hidden(0x1234_5678, 0x67, 0x8B00).raw.to_bytes(8, "little") + (0xFFFF8880).to_bytes(4, "little") + bytes(4)
    table = bytes(8) + tss + bytes(8)

    assert [(0, 0), (1, 0xFFFF888012345678), (3, 0)] == [
        (entry.number, entry.descriptor.base) for entry in entries(table, is_long=True)
    ]
    assert [0, 1, 2, 3] == [entry.number for entry in entries(table, is_long=False)]


def test_a_selector_names_an_entry_a_table_and_a_privilege_level() -> None:
    assert [(0, False, 0), (2, False, 3), (1, True, 0)] == [selector(value) for value in (0, 0x13, 0xC)]
    assert selector(3).is_null
    assert not selector(4).is_null
