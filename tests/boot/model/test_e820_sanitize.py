from collections.abc import Sequence

import pytest

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.boot.model.e820_sanitize import HIGH_MEMORY, LOW_MEMORY, expected_e820_table
from pvhdbg.boot.model.kernel_behavior import KernelBehavior
from tests import build
from tests.build import ISA, MAP, SANITISED, Range

LINUX_61 = KernelBehavior(fewest_entries=2, capacity=3200)
FALLBACK: tuple[Range, ...] = ((0, LOW_MEMORY, 1),)
PRAM, SOFT_RESERVED = 12, 0xEFFFFFFF
TOP = 1 << 64


def table(entries: Sequence[Range], rules: KernelBehavior = LINUX_61, **fields: int) -> tuple[Range, ...] | None:
    """What becomes of a map, as plain tuples."""
    made = expected_e820_table(BootParams(build.boot_params(entries, **fields)), rules)
    return None if made is None else tuple((each.addr, each.size, each.type) for each in made)


def test_the_map_of_a_real_boot_becomes_the_table_of_that_boot() -> None:
    assert SANITISED == table([*MAP, ISA])


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ([(0x2000, 0x1000, 1), (0, 0x1000, 1)], [(0, 0x1000, 1), (0x2000, 0x1000, 1)]),  # sorted
        ([(0, 0x1000, 1), (0x1000, 0x1000, 1)], [(0, 0x2000, 1)]),  # joined
        ([(0, 0x1000, 1), (0x1000, 0x1000, 2)], [(0, 0x1000, 1), (0x1000, 0x1000, 2)]),
        ([(0, 0x3000, 2), (0x1000, 0x1000, 1)], [(0, 0x3000, 2)]),  # the larger type wins
        ([(0, 0x3000, 1), (0x1000, 0x1000, 2)], [(0, 0x1000, 1), (0x1000, 0x1000, 2), (0x2000, 0x1000, 1)]),
        ([(0, 0x2000, 3), (0x1000, 0x2000, 4)], [(0, 0x1000, 3), (0x1000, 0x2000, 4)]),
        ([(0, 0x1000, 1), (0x500, 0, 2), (0x4000, 0, 1)], [(0, 0x1000, 1)]),  # empty ranges are dropped
        ([(0, 0x1000, 0), (0x1000, 0x1000, 1)], [(0x1000, 0x1000, 1)]),  # type 0 is no type
        ([(0, 0x1000, 42), (0x1000, 0x1000, 1)], [(0, 0x1000, 42), (0x1000, 0x1000, 1)]),
        ([(0, 0x1000, PRAM), (0x1000, 0x1000, PRAM)], [(0, 0x1000, PRAM), (0x1000, 0x1000, PRAM)]),  # never joined
        (
            [(0, 0x3000, SOFT_RESERVED), (0x1000, 0x1000, 1)],  # not even with itself, at an edge of something below
            [(0, 0x1000, SOFT_RESERVED), (0x1000, 0x1000, SOFT_RESERVED), (0x2000, 0x1000, SOFT_RESERVED)],
        ),
        ([(0, 0x1000, 1), (0, 0x1000, 1)], [(0, 0x1000, 1)]),
        ([(0, 0, 1), (0, 0, 1)], []),
    ],
)
def test_each_byte_gets_one_type_and_neighbours_are_joined(given: list[Range], made: list[Range]) -> None:
    assert tuple(made) == table(given)


@pytest.mark.parametrize("given", [[], [(0x1000, 0x1000, 1)]])
def test_up_to_6_12_a_map_of_fewer_than_two_entries_is_no_map(given: list[Range]) -> None:
    assert FALLBACK == table(given)


def test_without_a_map_the_memory_above_1_mib_is_what_boot_params_says() -> None:
    assert (*FALLBACK, (HIGH_MEMORY, 64 << 10, 1)) == table([], alt_mem_k=64, screen_info__ext_mem_k=63)


def test_a_kernel_that_takes_a_single_entry_leaves_it_as_it_is() -> None:
    given = [(0x1000, 0x1000, 1)]

    assert tuple(given) == table(given, LINUX_61._replace(fewest_entries=1))


def test_whether_a_single_entry_is_taken_may_be_unknown() -> None:
    assert None is table([(0x1000, 0x1000, 1)], KernelBehavior())
    assert FALLBACK == table([], KernelBehavior())


def test_a_range_that_wraps_around_makes_the_map_worthless() -> None:
    assert FALLBACK == table([(0, 0x1000, 1), (TOP - 0x1000, 0x1001, 2)])


def test_a_range_up_to_the_last_address_leaves_the_map_unsorted() -> None:
    given = [(0x5000, 0x1000, 1), (0, 0x1000, 1), (TOP - 0x1000, 0x1000, 2)]

    assert tuple(given) == table(given)


def long_map(count: int) -> BootParams:
    """boot_params with more entries than its table has room for, each a page."""
    raw = bytearray(build.boot_params((), e820_entries=count))
    data = build.e820([(index << 16, 0x1000, 1) for index in range(count)])[: len(raw) - 0x2D0]
    raw[0x2D0 : 0x2D0 + len(data)] = data
    return BootParams(bytes(raw))


def test_entries_behind_the_table_are_taken_as_far_as_the_structure_goes() -> None:
    made = expected_e820_table(long_map(168), LINUX_61)

    assert [(index << 16, 0x1000, 1) for index in range(168)] == list(made or ())


def test_entries_beyond_the_structure_are_not_known() -> None:
    assert None is expected_e820_table(long_map(169), LINUX_61)


def test_a_kernels_own_table_may_be_too_short_for_the_map() -> None:
    made = expected_e820_table(long_map(150), LINUX_61._replace(capacity=131))

    assert [(index << 16, 0x1000, 1) for index in range(131)] == list(made or ())


def test_where_the_tables_length_is_not_known_a_long_map_is_not_either() -> None:
    assert None is expected_e820_table(long_map(150), KernelBehavior())
    assert 128 == len(expected_e820_table(long_map(128), KernelBehavior()) or ())
