"""The search for the fewest differences that make a boot fail, with boots that are only computed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.handover.bisect import TooManyBoots, smallest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def needing(*wanted: int) -> Callable[[Collection[int]], bool]:
    """Return boots that fail if they have all these differences."""
    return lambda taken: {*wanted} <= {*taken}


@pytest.mark.parametrize("cause", [0, 7, 29])
def test_one_difference_is_found_alone(cause: int) -> None:
    boots: list[Collection[int]] = []

    def fails(taken: Collection[int]) -> bool:
        boots.append(taken)
        return cause in taken

    assert [cause] == smallest(30, fails, 200)
    assert [[index] for index in range(cause + 1)] == [[*boot] for boot in boots]


def test_several_differences_are_found_whichever_they_are() -> None:
    choice = random.Random(1)
    for _ in range(200):
        wanted = sorted(choice.sample(range(30), choice.randint(1, 5)))

        assert wanted == smallest(30, needing(*wanted), 1000)


def test_no_difference_of_the_result_can_be_left_out() -> None:
    choice = random.Random(2)
    for _ in range(100):
        causes = [needing(*choice.sample(range(20), choice.randint(2, 4))) for _ in range(3)]

        def fails(taken: Collection[int], causes: list[Callable[[Collection[int]], bool]] = causes) -> bool:
            return any(cause(taken) for cause in causes)

        found = smallest(20, fails, 1000)

        assert fails(found)
        assert [] == [left_out for left_out in found if fails({*found} - {left_out})]


def test_no_boot_is_repeated() -> None:
    boots: list[frozenset[int]] = []

    def fails(taken: Collection[int]) -> bool:
        boots.append(frozenset(taken))
        return {3, 11, 12} <= {*taken}

    assert [3, 11, 12] == smallest(16, fails, 1000)
    assert len({*boots}) == len(boots)


def test_the_search_ends_after_the_limit_with_what_it_knows() -> None:
    with pytest.raises(TooManyBoots) as error:
        smallest(20, needing(1, 2, 3), 25)

    assert {1, 2, 3} <= {*error.value.smallest}
    assert len(error.value.smallest) < 20
