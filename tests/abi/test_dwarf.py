"""The tables against the kernel's own debug information, field by field, on both of Debian's kernels."""

from pathlib import Path

import pytest

from pvhdbg.abi.boot_params import SECURE_BOOT
from pvhdbg.abi.e820 import E820_TYPES, BootE820Entry
from pvhdbg.abi.layout import Struct
from pvhdbg.abi.roles import STRUCTS
from pvhdbg.abi.setup_header import SUBARCHS
from tests.abi import dwarf

# Where a table says less than the kernel's structure: the members it leaves out, and why.
LEFT_OUT = {"e820_table": ({"entries"}, "as many as nr_entries says; read one by one as boot_e820_entry")}

# Types with a number in the kernel's enum or in ours alone, and why.
KERNEL_ONLY = {128: "E820_TYPE_RESERVED_KERN, the kernel's private mark, gone in 7.3; no VMM hands it over"}
ACPI_ONLY = {6: "AddressRangeDisabled; Linux has no name for it"}


@pytest.fixture(scope="module")
def kernel(debian_vmlinux: Path) -> dwarf.Dwarf:
    """What one kernel's debug information says of all we have tables of."""
    return dwarf.read(
        debian_vmlinux,
        [*STRUCTS, "e820_entry"],
        ["e820_type", "x86_hardware_subarch", "efi_secureboot_mode"],
    )


def table(of: type[Struct]) -> list[dwarf.Member]:
    """Our table in the words of gdb's answer."""
    return [dwarf.Member(each.name, each.offset, each.size, each.ctype) for each in of.FIELDS]


@pytest.mark.parametrize("name", STRUCTS)
def test_a_table_has_every_field_of_the_kernels_structure_at_its_place(kernel: dwarf.Dwarf, name: str) -> None:
    left_out, _ = LEFT_OUT.get(name, ((), ""))
    expected = [each for each in kernel.structs[name].members if each.name not in left_out]

    assert expected == table(STRUCTS[name])


@pytest.mark.parametrize("name", sorted(STRUCTS.keys() - LEFT_OUT.keys()))
def test_a_table_has_the_size_of_the_kernels_structure(kernel: dwarf.Dwarf, name: str) -> None:
    assert kernel.structs[name].size == STRUCTS[name].SIZE


def test_what_a_table_leaves_out_is_really_in_the_kernels_structure(kernel: dwarf.Dwarf) -> None:
    for name, (left_out, _) in LEFT_OUT.items():
        assert left_out <= {each.name for each in kernel.structs[name].members}


def test_entries_of_the_kernels_own_e820_table_are_laid_out_as_those_of_boot_params(kernel: dwarf.Dwarf) -> None:
    assert kernel.structs["e820_entry"].members == table(BootE820Entry)


def test_the_nested_structures_are_all_tables_of_their_own(kernel: dwarf.Dwarf) -> None:
    nested = {
        each.ctype.removeprefix("struct ").partition("[")[0]
        for name in STRUCTS.keys() - LEFT_OUT.keys()
        for each in kernel.structs[name].members
        if each.ctype.startswith("struct ")
    }

    assert set() == nested - STRUCTS.keys()


def test_the_e820_types_have_the_kernels_numbers_and_names(kernel: dwarf.Dwarf) -> None:
    expected = {
        value: name.removeprefix("E820_TYPE_")
        for name, value in kernel.enums["e820_type"].items()
        if value not in KERNEL_ONLY
    }

    assert expected == {value: each.name for value, each in E820_TYPES.names.items() if value not in ACPI_ONLY}


def test_the_subarchitectures_have_the_kernels_numbers_and_names(kernel: dwarf.Dwarf) -> None:
    expected = {
        value: name.removeprefix("X86_SUBARCH_")
        for name, value in kernel.enums["x86_hardware_subarch"].items()
        if name != "X86_NR_SUBARCHS"
    }

    assert expected == {value: each.name for value, each in SUBARCHS.names.items()}


def test_the_states_of_secure_boot_have_the_kernels_numbers_and_names(kernel: dwarf.Dwarf) -> None:
    expected = {value: name for name, value in kernel.enums["efi_secureboot_mode"].items()}

    assert expected == {value: each.name for value, each in SECURE_BOOT.names.items()}
