import pytest

from pvhdbg.boot.lab.allocator import Room, room
from pvhdbg.errors import UserError
from tests import build
from tests.build import RAMDISK

MIB = 1 << 20


def test_the_lowest_free_ram_is_at_64_kib() -> None:
    assert 0x10000 == Room([(0, MIB)], []).place(100)


def test_what_is_placed_is_taken() -> None:
    free = Room([(0, MIB)], [])

    assert [0x10000, 0x10010, 0x10020, 0x10030] == [free.place(size) for size in (1, 16, 10, 1)]


def test_nothing_is_placed_where_something_lies() -> None:
    free = Room([(0, MIB)], [(0x10000, 0x10001), (0x10020, 0x10100), (0, 5)])

    assert [0x10010, 0x10100] == [free.place(16), free.place(17)]


def test_a_gap_that_is_too_small_is_passed_by() -> None:
    assert MIB == Room([(0x10000, 0x10020), (MIB, 2 * MIB)], []).place(0x21)


def test_nothing_is_placed_beyond_what_early_page_tables_map() -> None:
    with pytest.raises(UserError, match=r"^no free RAM below 0x40000000 for 32 bytes$"):
        Room([(0x3FFFFFF0, 1 << 32)], []).place(32)


def test_a_real_entry_has_room_below_the_video_memory() -> None:
    assert 0x10000 == room(build.linux_guest().at("entry"), build.linux()).place(0x8F000)


def test_the_kernel_the_initrd_and_all_that_was_found_are_clear() -> None:
    free = room(build.linux_guest().at("entry"), build.linux())
    places = [free.place(size) for size in (0x9FC00 - 0x10000, 0xF00000 - 16, 0x400000, RAMDISK - 0x3C00000)]

    assert [0x10000, 0x100000, 0x3800000, 0x3C00000] == places
    with pytest.raises(UserError):
        free.place(0x201000)


def test_ram_that_the_map_also_lists_as_something_else_is_none() -> None:
    guest = build.linux_guest()
    guest.put(build.MEMMAP, build.memmap([(0, MIB, 1), (0x8000, 0x10000, 2), (0x20000, 0x1000, 5)]))
    guest.put(build.START_INFO + 48, (3).to_bytes(4, "little"))
    free = room(guest.at("entry"), build.linux())

    assert [0x18000, 0x21000] == [free.place(0x8000), free.place(0x10000)]


def test_without_a_map_there_is_the_memory_that_every_pc_has() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(version=0))
    free = room(guest.at("entry"), build.linux())

    assert 0x10000 == free.place(0x8F000)
    with pytest.raises(UserError):
        free.place(0x1000)


def test_a_module_of_absurd_size_leaves_what_lies_below_it() -> None:
    guest = build.linux_guest()
    guest.put(build.MODLIST, build.modlist((0x20000, (1 << 64) - 1, 0, 0)))

    assert 0x10000 == room(guest.at("entry"), build.linux()).place(0x10000)


@pytest.mark.timeout(10)
def test_a_map_of_thousands_of_ranges_is_searched_in_bounds() -> None:
    guest = build.linux_guest()
    count = 16_384
    guest.put(1 << 28, build.memmap([(index * 0x2000, 0x1000, 1 + index % 2) for index in range(count)]))
    guest.put(build.START_INFO + 40, (1 << 28).to_bytes(8, "little") + count.to_bytes(4, "little"))

    with pytest.raises(UserError):
        room(guest.at("entry"), build.linux()).place(0x1001)
