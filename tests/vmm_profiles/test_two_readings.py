"""The profiles and the second reading of the same sources agree. Where they did not, the source was read again."""

from __future__ import annotations

import pytest

from pvhdbg.abi.e820 import E820_DATA, E820_MODULE, BootE820Entry, E820Table
from pvhdbg.vmm_profiles import table
from pvhdbg.vmm_profiles.profile import Boot, Layout, Profile
from tests.vmm_profiles import second_reading
from tests.vmm_profiles.second_reading import READINGS, SIZES, Reading, Segment

INITRD = 4096
TABLE_PAGES = 7
"""How many pages Xen 4.17's ACPI tables have: an RSDP at 0xfc008000 was measured. A profile needs a number."""

NAMES = pytest.mark.parametrize("name", READINGS)


def boot(size: int, *, initrd: bool = True) -> Boot:
    return Boot(size, 33, INITRD if initrd else None)


def layout_of(name: str) -> Layout:
    layout = table.profile(name).layout
    assert layout is not None
    return layout


@NAMES
def test_the_same_commit_was_read(name: str) -> None:
    profile: Profile = table.profile(name)

    assert READINGS[name].source.commit == profile.commit
    assert profile.repository.endswith(READINGS[name].source.repository)


@NAMES
@pytest.mark.parametrize("size", SIZES)
def test_the_maps_are_equal(name: str, size: int) -> None:
    entries = READINGS[name].maps[size]
    if name == "xen-domu":
        entries = second_reading.domu_map(size, TABLE_PAGES, in_bios_area=True)

    assert entries == tuple(tuple(entry) for entry in layout_of(name).memory_map(boot(size)))


@NAMES
@pytest.mark.parametrize("size", SIZES)
def test_the_addresses_are_equal(name: str, size: int) -> None:
    reading, places = READINGS[name], layout_of(name).places(boot(size))
    read = {key: getattr(reading, key) for key in ("start_info", "cmdline", "modlist", "memmap")}
    known = {key: value for key, value in read.items() if value}
    initrd = reading.initrd_of_4096 and reading.initrd_of_4096[size]

    assert known == {key: getattr(places, key) for key in known}
    assert initrd in (None, places.initrd)


@NAMES
def test_version_flags_rsdp_and_the_limit_of_the_command_line_are_equal(name: str) -> None:
    reading, layout = READINGS[name], layout_of(name)

    assert (reading.version, reading.flags) == (layout.version, layout.flags)
    assert reading.rsdp in (None, layout.rsdp_paddr)
    assert reading.cmdline_limit == (None if layout.cmdline_room is None else layout.cmdline_room - 1)


@NAMES
def test_the_control_registers_and_the_tables_are_equal(name: str) -> None:
    read, cpu = READINGS[name].cpu, layout_of(name).cpu
    general = {key: value for key, value in read.general.items() if key != "rbx"}

    assert (read.cr0, read.cr4, read.efer, read.eflags) == (cpu.cr0, cpu.cr4, cpu.efer, cpu.eflags)
    assert (read.gdt, read.idt) == (tuple(cpu.gdtr), tuple(cpu.idtr))
    assert all(value in (None, cpu.general.get(key, 0)) for key, value in general.items())
    assert {key for key, value in cpu.general.items() if value} <= {key for key, value in general.items() if value}


@NAMES
def test_the_segments_are_equal(name: str) -> None:
    cpu = layout_of(name).cpu
    segments = {**cpu.segments, "tr": cpu.tr, "ldtr": cpu.ldtr}

    assert READINGS[name].cpu.segments == {
        key: Segment(value.selector, value.base, value.limit, value.flags >> 8) for key, value in segments.items()
    }


@NAMES
def test_the_descriptors_and_the_other_words_are_equal(name: str) -> None:
    reading, layout = READINGS[name], layout_of(name)
    tables = {part.paddr: part.data for part in layout.tables}
    gdt = b"".join(entry.to_bytes(8, "little") for entry in reading.gdt_entries)
    words = {paddr: value.to_bytes(size, "little") for paddr, size, value in reading.words}

    assert tables == ({reading.cpu.gdt[0]: gdt} if gdt else {}) | words


@NAMES
def test_the_rsdp_is_where_the_vmm_puts_it(name: str) -> None:
    reading: Reading = READINGS[name]
    written = {what: paddr for paddr, what in reading.structures}
    rsdp = layout_of(name).places(boot(SIZES[0])).rsdp

    if reading.structures:
        assert written.get("RSDP") == rsdp


def test_the_rfc_passes_version_0_and_the_map_as_module_1() -> None:
    layout = layout_of("rfc2017")

    assert second_reading.RFC2017_VERSION == layout.version
    assert layout.map_form == E820_MODULE
    assert second_reading.RFC2017_NAME == E820_DATA + b"\0"
    assert second_reading.RFC2017_BLOB == (E820Table.SIZE, BootE820Entry.SIZE)


def test_every_profile_but_qemus_was_read_twice() -> None:
    assert {*READINGS, "rfc2017", table.QEMU} == set(table.NAMES)
