"""The profiles say the same as the second reading of the VMMs' sources. `tests/live/handover` compares live boots."""

import pytest

from pvhdbg.vmm_profiles import table
from pvhdbg.vmm_profiles.profile import Boot, Layout
from tests.vmm_profiles import second_reading
from tests.vmm_profiles.second_reading import READINGS, SIZES, domu_map

INITRD = 4096
KERNEL = (16 << 20, 32 << 20)
BUILT_BY_XEN = ("xen-domu", "xen-dom0")
AT_FIXED_ADDRESSES = [name for name in READINGS if name not in BUILT_BY_XEN]


def layout_of(name: str) -> Layout:
    layout = table.profile(name).layout
    assert layout is not None
    return layout


def boot(size: int, *, initrd: int | None = INITRD) -> Boot:
    return Boot(size, 1, initrd, KERNEL)


def test_every_profile_was_read_twice() -> None:
    assert {*table.NAMES} - {table.QEMU, "rfc2017"} == {*READINGS}


@pytest.mark.parametrize("name", READINGS)
def test_both_readings_are_of_the_same_source(name: str) -> None:
    assert table.profile(name).commit == READINGS[name].source.commit


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", READINGS)
def test_the_map_of_each_size_of_memory_is_the_same(name: str, size: int) -> None:
    entries = tuple(map(tuple, layout_of(name).memory_map(boot(size))))
    pages = entries[4][1] // 4096 if name == "xen-domu" else 0
    expected = domu_map(size, pages, in_bios_area=True) if pages else READINGS[name].maps[size]

    assert expected == entries


@pytest.mark.parametrize("name", AT_FIXED_ADDRESSES)
def test_the_structures_are_at_the_same_addresses(name: str) -> None:
    reading, layout = READINGS[name], layout_of(name)
    places = layout.places(boot(SIZES[0]))

    assert (reading.start_info, reading.modlist, reading.memmap, reading.cmdline) == places[:4]
    assert (reading.version, reading.flags, reading.rsdp) == (layout.version, layout.flags, layout.rsdp_paddr)
    assert layout.cmdline_room == (None if reading.cmdline_limit is None else reading.cmdline_limit + 1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", AT_FIXED_ADDRESSES)
def test_an_initrd_of_a_page_is_at_the_same_address(name: str, size: int) -> None:
    expected = READINGS[name].initrd_of_4096
    assert expected is not None

    assert expected[size] == layout_of(name).places(boot(size)).initrd


def test_a_domu_has_its_command_line_after_start_info_and_its_map_2112_bytes_after_the_module_list() -> None:
    places = layout_of("xen-domu").places(boot(SIZES[0])._replace(cmdline_size=10))

    assert KERNEL[1] == places.start_info
    assert (places.start_info + 56, places.start_info + 56 + 16) == (places.cmdline, places.modlist)
    assert places.modlist + 2112 == places.memmap


def test_a_dom0_has_its_initrd_its_command_line_its_module_list_and_start_info_in_this_order() -> None:
    places = layout_of("xen-dom0").places(boot(SIZES[0])._replace(cmdline_size=10))

    assert (1 << 20, (1 << 20) + INITRD) == (places.initrd, places.cmdline)
    assert (places.cmdline + 16, places.cmdline + 16 + 32) == (places.modlist, places.start_info)
    assert (READINGS["xen-dom0"].version, READINGS["xen-dom0"].flags) == layout_of("xen-dom0")[:2]


def test_the_map_of_2017_is_the_second_module_and_its_name_is_what_the_rfc_compares() -> None:
    layout = layout_of("rfc2017")

    assert (second_reading.RFC2017_VERSION, "e820-module") == (layout.version, layout.map_form)


@pytest.mark.parametrize("size", [2 << 20, (2 << 20) + 1, (3 << 30) - 1, (3328 << 20) + 1, (4 << 30) + 1, 1 << 46])
@pytest.mark.parametrize("name", [name for name in table.NAMES if name != table.QEMU])
def test_a_map_of_any_size_of_memory_has_only_entries_of_some_size_below_16_eib(name: str, size: int) -> None:
    for initrd in (None, 0, 1, size // 2):
        layout, chosen = layout_of(name), boot(size, initrd=initrd)
        entries = layout.memory_map(chosen)

        assert layout.places(chosen).start_info > 0
        assert [] == [entry for entry in entries if not (0 < entry.size and 0 <= entry.addr and entry.end <= 1 << 64)]
