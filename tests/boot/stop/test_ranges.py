"""Operations on address ranges against sets of addresses."""

from __future__ import annotations

import random

from pvhdbg.boot.stop import ranges
from pvhdbg.boot.stop.ranges import AddressRange


def some_ranges(random_: random.Random) -> list[AddressRange]:
    starts = [random_.randrange(30) for _ in range(random_.randrange(6))]
    return [(start, start + random_.randrange(8)) for start in starts]


def addresses(given: list[AddressRange]) -> set[int]:
    return {address for start, end in given for address in range(start, end)}


def runs(wanted: set[int]) -> list[AddressRange]:
    """Return the shortest list of ranges with these addresses."""
    starts = sorted(address for address in wanted if address - 1 not in wanted)
    ends = sorted(address + 1 for address in wanted if address + 1 not in wanted)
    return list(zip(starts, ends, strict=True))


def test_union_and_minus_are_those_of_sets_without_empty_ranges() -> None:
    random_ = random.Random(1)
    for _ in range(500):
        first, second = some_ranges(random_), some_ranges(random_)

        assert runs(addresses(first)) == ranges.union(first)
        assert runs(addresses(first) - addresses(second)) == ranges.minus(first, second)


def test_holds_touches_and_total_are_those_of_sets() -> None:
    random_ = random.Random(2)
    for _ in range(500):
        united = ranges.union(some_ranges(random_))
        start = random_.randrange(40)
        end = start + 1 + random_.randrange(6)
        asked, covered = set(range(start, end)), addresses(united)

        assert (asked <= covered) == ranges.holds(united, start, end)
        assert bool(asked & covered) == ranges.touches(united, start, end)
        assert len(covered) == ranges.total(united)
