"""The tables agree with the layouts of Linux's structures in layouts.txt, from a kernel's debug information."""

from __future__ import annotations

import pytest

from pvhdbg.abi.roles import STRUCTS
from tests.abi import layouts
from tests.abi.dwarf import Member

LAYOUTS = layouts.read()


@pytest.mark.parametrize("name", STRUCTS)
def test_a_table_has_the_fields_offsets_and_types_of_the_kernels_structure(name: str) -> None:
    fields = [Member(field.name, field.offset, field.size, field.ctype) for field in STRUCTS[name].FIELDS]

    assert [member for member in LAYOUTS[name].members if member.name != "entries"] == fields


@pytest.mark.parametrize("name", sorted(STRUCTS.keys() - {"e820_table"}))
def test_a_table_has_the_size_of_the_kernels_structure(name: str) -> None:
    assert LAYOUTS[name].size == STRUCTS[name].SIZE
