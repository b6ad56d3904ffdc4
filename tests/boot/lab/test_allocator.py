import pytest

from pvhdbg.boot.lab.allocator import Allocator, allocator_at
from pvhdbg.errors import UserError
from tests import build
from tests.build import RAMDISK

MIB = 1 << 20


def test_the_lowest_free_ram_is_at_64_kib() -> None:
    assert 0x10000 == Allocator([(0, MIB)], []).allocate(100)


def test_an_allocated_range_is_used() -> None:
    allocator = Allocator([(0, MIB)], [])

    assert [0x10000, 0x10010, 0x10020, 0x10030] == [allocator.allocate(size) for size in (1, 16, 10, 1)]


def test_used_ranges_are_not_allocated() -> None:
    allocator = Allocator([(0, MIB)], [(0x10000, 0x10001), (0x10020, 0x10100), (0, 5)])

    assert [0x10010, 0x10100] == [allocator.allocate(16), allocator.allocate(17)]


def test_a_gap_that_is_too_small_is_skipped() -> None:
    assert MIB == Allocator([(0x10000, 0x10020), (MIB, 2 * MIB)], []).allocate(0x21)


def test_nothing_is_allocated_beyond_the_early_page_tables() -> None:
    with pytest.raises(UserError, match=r"^no free RAM below 0x40000000 for 32 bytes$"):
        Allocator([(0x3FFFFFF0, 1 << 32)], []).allocate(32)


def test_an_entry_has_free_ram_below_the_video_memory() -> None:
    assert 0x10000 == allocator_at(build.linux_guest().at("entry"), build.linux()).allocate(0x8F000)


def test_the_kernel_the_initrd_and_everything_that_was_read_are_not_allocated() -> None:
    allocator = allocator_at(build.linux_guest().at("entry"), build.linux())
    paddrs = [allocator.allocate(size) for size in (0x9FC00 - 0x10000, 0xF00000 - 16, 0x400000, RAMDISK - 0x3C00000)]

    assert [0x10000, 0x100000, 0x3800000, 0x3C00000] == paddrs
    with pytest.raises(UserError):
        allocator.allocate(0x201000)


def test_ram_that_the_map_also_lists_as_another_type_is_not_allocated() -> None:
    guest = build.linux_guest()
    guest.put(build.MEMMAP, build.memmap([(0, MIB, 1), (0x8000, 0x10000, 2), (0x20000, 0x1000, 5)]))
    guest.put(build.START_INFO + 48, (3).to_bytes(4, "little"))
    allocator = allocator_at(guest.at("entry"), build.linux())

    assert [0x18000, 0x21000] == [allocator.allocate(0x8000), allocator.allocate(0x10000)]


def test_without_a_map_conventional_ram_is_allocated() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(version=0))
    allocator = allocator_at(guest.at("entry"), build.linux())

    assert 0x10000 == allocator.allocate(0x8F000)
    with pytest.raises(UserError):
        allocator.allocate(1)


def test_below_a_module_of_absurd_size_ram_is_free() -> None:
    guest = build.linux_guest()
    guest.put(build.MODLIST, build.modlist((0x20000, (1 << 64) - 1, 0, 0)))

    assert 0x10000 == allocator_at(guest.at("entry"), build.linux()).allocate(0x10000)


@pytest.mark.timeout(10)
def test_a_map_of_thousands_of_entries_takes_bounded_time() -> None:
    guest = build.linux_guest()
    count = 16_384
    guest.put(1 << 28, build.memmap([(index * 0x2000, 0x1000, 1 + index % 2) for index in range(count)]))
    guest.put(build.START_INFO + 40, (1 << 28).to_bytes(8, "little") + count.to_bytes(4, "little"))

    with pytest.raises(UserError):
        allocator_at(guest.at("entry"), build.linux()).allocate(0x1001)
