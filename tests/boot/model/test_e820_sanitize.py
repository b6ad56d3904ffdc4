from collections.abc import Sequence

import pytest

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.boot.model.e820_sanitize import HIGH_MEMORY, LOW_MEMORY, expected_e820_table
from pvhdbg.boot.model.kernel_behavior import KernelBehavior
from tests import build
from tests.build import ISA, MAP, SANITIZED, Range

LINUX_61 = KernelBehavior(fewest_entries=2, capacity=3200)
DEFAULT_MAP: tuple[Range, ...] = ((0, LOW_MEMORY, 1),)
PRAM, SOFT_RESERVED = 12, 0xEFFFFFFF
TOP = 1 << 64


def table(entries: Sequence[Range], behavior: KernelBehavior = LINUX_61, **fields: int) -> Sequence[Range] | None:
    """Return the e820_table that the model makes of a map."""
    return expected_e820_table(BootParams(build.boot_params(entries, **fields)), behavior)


def test_the_map_of_a_real_boot_becomes_the_table_of_that_boot() -> None:
    assert SANITIZED == table([*MAP, ISA])


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([(0x2000, 0x1000, 1), (0, 0x1000, 1)], [(0, 0x1000, 1), (0x2000, 0x1000, 1)]),  # sorted
        ([(0, 0x1000, 1), (0x1000, 0x1000, 1)], [(0, 0x2000, 1)]),  # merged
        ([(0, 0x1000, 1), (0x1000, 0x1000, 2)], [(0, 0x1000, 1), (0x1000, 0x1000, 2)]),
        ([(0, 0x3000, 2), (0x1000, 0x1000, 1)], [(0, 0x3000, 2)]),  # the larger type wins
        ([(0, 0x3000, 1), (0x1000, 0x1000, 2)], [(0, 0x1000, 1), (0x1000, 0x1000, 2), (0x2000, 0x1000, 1)]),
        ([(0, 0x2000, 3), (0x1000, 0x2000, 4)], [(0, 0x1000, 3), (0x1000, 0x2000, 4)]),
        ([(0, 0x1000, 1), (0x500, 0, 2), (0x4000, 0, 1)], [(0, 0x1000, 1)]),  # empty ranges are dropped
        ([(0, 0x1000, 0), (0x1000, 0x1000, 1)], [(0x1000, 0x1000, 1)]),  # type 0 is dropped
        ([(0, 0x1000, 42), (0x1000, 0x1000, 1)], [(0, 0x1000, 42), (0x1000, 0x1000, 1)]),
        ([(0, 0x1000, PRAM), (0x1000, 0x1000, PRAM)], [(0, 0x1000, PRAM), (0x1000, 0x1000, PRAM)]),  # never merged
        (
            [(0, 0x3000, SOFT_RESERVED), (0x1000, 0x1000, 1)],  # not even with itself, at the edge of another entry
            [(0, 0x1000, SOFT_RESERVED), (0x1000, 0x1000, SOFT_RESERVED), (0x2000, 0x1000, SOFT_RESERVED)],
        ),
        ([(0, 0x1000, 1), (0, 0x1000, 1)], [(0, 0x1000, 1)]),
        ([(0, 0, 1), (0, 0, 1)], []),
    ],
)
def test_each_byte_gets_one_type_and_neighbors_are_merged(entries: list[Range], expected: list[Range]) -> None:
    assert tuple(expected) == table(entries)


@pytest.mark.parametrize("entries", [[], [(0x1000, 0x1000, 1)]])
def test_until_6_12_a_map_of_fewer_than_two_entries_is_replaced_by_the_default(entries: list[Range]) -> None:
    assert DEFAULT_MAP == table(entries)


def test_the_default_map_takes_the_memory_above_1_mib_from_boot_params() -> None:
    assert (*DEFAULT_MAP, (HIGH_MEMORY, 64 << 10, 1)) == table([], alt_mem_k=64, screen_info__ext_mem_k=63)


def test_a_kernel_that_accepts_a_single_entry_leaves_it_unchanged() -> None:
    entries = [(0x1000, 0x1000, 1)]

    assert tuple(entries) == table(entries, LINUX_61._replace(fewest_entries=1))


def test_the_table_is_unknown_if_it_is_unknown_whether_a_single_entry_is_accepted() -> None:
    assert None is table([(0x1000, 0x1000, 1)], KernelBehavior())
    assert DEFAULT_MAP == table([], KernelBehavior())


def test_an_entry_that_wraps_around_makes_linux_use_the_default_map() -> None:
    assert DEFAULT_MAP == table([(0, 0x1000, 1), (TOP - 0x1000, 0x1001, 2)])


def test_an_entry_that_ends_at_2_to_the_64_leaves_the_map_unsorted() -> None:
    entries = [(0x5000, 0x1000, 1), (0, 0x1000, 1), (TOP - 0x1000, 0x1000, 2)]

    assert tuple(entries) == table(entries)


def long_map(count: int) -> BootParams:
    """Return a boot_params with more entries than its table can hold. Each entry is one page."""
    raw = bytearray(build.boot_params((), e820_entries=count))
    data = build.e820([(index << 16, 0x1000, 1) for index in range(count)])[: len(raw) - 0x2D0]
    raw[0x2D0 : 0x2D0 + len(data)] = data
    return BootParams(bytes(raw))


def test_entries_past_the_table_count_up_to_the_end_of_the_structure() -> None:
    made = expected_e820_table(long_map(168), LINUX_61)

    assert [(index << 16, 0x1000, 1) for index in range(168)] == list(made or ())


def test_the_table_is_unknown_if_entries_exceed_the_structure() -> None:
    assert None is expected_e820_table(long_map(169), LINUX_61)


def test_a_map_longer_than_the_kernels_table_is_truncated() -> None:
    made = expected_e820_table(long_map(150), LINUX_61._replace(capacity=131))

    assert [(index << 16, 0x1000, 1) for index in range(131)] == list(made or ())


def test_a_long_map_has_an_unknown_table_if_the_capacity_is_unknown() -> None:
    assert None is expected_e820_table(long_map(150), KernelBehavior())
    assert 128 == len(expected_e820_table(long_map(128), KernelBehavior()) or ())
