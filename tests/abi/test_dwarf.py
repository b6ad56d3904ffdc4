"""The tables agree with the debug information of Debian's kernels, field by field."""

from pathlib import Path

import pytest

from pvhdbg.abi import printk
from pvhdbg.abi.boot_params import SECURE_BOOT
from pvhdbg.abi.e820 import E820_TYPES, BootE820Entry
from pvhdbg.abi.layout import Struct
from pvhdbg.abi.roles import STRUCTS
from pvhdbg.abi.setup_header import SUBARCHS
from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings
from pvhdbg.image.debug_info.symbols import Symbols
from pvhdbg.image.facts import read_facts
from tests.abi import dwarf
from tests.abi.newer import members_as_in

# Members of the kernel's structure that a table omits, and why.
OMITTED = {"e820_table": ({"entries"}, "nr_entries of them, decoded one by one as boot_e820_entry")}

# Types that only the kernel's enum or only our table has, and why.
KERNEL_ONLY = {128: "E820_TYPE_RESERVED_KERN, internal to the kernel, removed in 7.3; no VMM passes it"}
ACPI_ONLY = {6: "AddressRangeDisabled; Linux has no name for it"}


@pytest.fixture(scope="module")
def kernel(debian_vmlinux: Path) -> dwarf.Dwarf:
    """What one kernel's debug information contains about every structure and enum that has a table."""
    return dwarf.read(
        debian_vmlinux,
        [*STRUCTS, "e820_entry", *printk.STRUCTURES],
        ["e820_type", "x86_hardware_subarch", "efi_secureboot_mode"],
    )


def table(of: type[Struct]) -> list[dwarf.Member]:
    """Return our table in the same form as gdb's answer."""
    return [dwarf.Member(field.name, field.offset, field.size, field.ctype) for field in of.FIELDS]


@pytest.mark.parametrize("name", STRUCTS)
def test_a_table_has_every_field_of_the_kernels_structure_at_its_offset(kernel: dwarf.Dwarf, name: str) -> None:
    omitted, _ = OMITTED.get(name, ((), ""))
    expected = [member for member in kernel.structs[name].members if member.name not in omitted]

    assert expected == members_as_in({member.name for member in expected}, table(STRUCTS[name]))


@pytest.mark.parametrize("name", sorted(STRUCTS.keys() - OMITTED.keys()))
def test_a_table_has_the_size_of_the_kernels_structure(kernel: dwarf.Dwarf, name: str) -> None:
    assert kernel.structs[name].size == STRUCTS[name].SIZE


def test_the_members_that_a_table_omits_exist_in_the_kernels_structure(kernel: dwarf.Dwarf) -> None:
    for name, (omitted, _) in OMITTED.items():
        assert omitted <= {member.name for member in kernel.structs[name].members}


def test_entries_of_the_kernels_e820_table_have_the_layout_of_entries_in_boot_params(kernel: dwarf.Dwarf) -> None:
    assert kernel.structs["e820_entry"].members == table(BootE820Entry)


def test_every_nested_structure_has_a_table(kernel: dwarf.Dwarf) -> None:
    nested = {
        member.ctype.removeprefix("struct ").partition("[")[0]
        for name in STRUCTS.keys() - OMITTED.keys()
        for member in kernel.structs[name].members
        if member.ctype.startswith("struct ")
    }

    assert set() == nested - STRUCTS.keys()


def test_the_e820_types_have_the_kernels_numbers_and_names(kernel: dwarf.Dwarf) -> None:
    expected = {
        value: name.removeprefix("E820_TYPE_")
        for name, value in kernel.enums["e820_type"].items()
        if value not in KERNEL_ONLY
    }

    assert expected == {value: known.name for value, known in E820_TYPES.names.items() if value not in ACPI_ONLY}


def test_the_subarchitectures_have_the_kernels_numbers_and_names(kernel: dwarf.Dwarf) -> None:
    expected = {
        value: name.removeprefix("X86_SUBARCH_")
        for name, value in kernel.enums["x86_hardware_subarch"].items()
        if name != "X86_NR_SUBARCHS"
    }

    assert expected == {value: known.name for value, known in SUBARCHS.names.items()}


def test_the_states_of_secure_boot_have_the_kernels_numbers_and_names(kernel: dwarf.Dwarf) -> None:
    expected = {value: name for name, value in kernel.enums["efi_secureboot_mode"].items()}

    assert expected == {value: known.name for value, known in SECURE_BOOT.names.items()}


def test_the_ring_buffer_of_the_log_has_the_kernels_layout_in_the_table_and_in_our_own_reading_of_the_dwarf(
    kernel: dwarf.Dwarf, debian_vmlinux: Path
) -> None:
    numbers = {printk.size_name(name): kernel.structs[name].size for name in printk.STRUCTURES}
    for name in printk.STRUCTURES:
        numbers |= {printk.offset_name(name, member.name): member.offset for member in kernel.structs[name].members}
    image = read_facts(str(debian_vmlinux))
    read = SymbolsAndStrings(Symbols(image.elf), image)
    expected = printk.layout_from(image.elf_class // 8, numbers.__getitem__)
    level = kernel.structs[printk.INFO].members[5]

    assert expected in printk.known_layouts(image.elf_class // 8)
    assert numbers == {name: read.address(name) for name in numbers}
    assert ("level", expected.facility + 1) == (level.name, level.offset)
