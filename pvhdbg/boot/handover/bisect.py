"""Find the fewest differences that make a boot fail. The boots are the caller's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Fails = Callable[[Collection[int]], bool]


class TooManyBoots(Exception):
    """The limit was reached. `smallest` are the fewest differences known to make the boot fail."""

    def __init__(self, smallest: Collection[int]) -> None:
        super().__init__()
        self.smallest = sorted(smallest)


def smallest(count: int, fails: Fails, most: int) -> list[int]:
    """Return the indexes of differences that make the boot fail together, none of which can be left out.

    All `count` differences together make it fail. First each difference is tried alone, then the halves, quarters
    and so on of what is left, and everything but these.

    :raise TooManyBoots: after `most` boots.
    """
    search = _Search(frozenset(range(count)), fails, most)
    for index in range(count):
        if search.try_only(frozenset([index])):
            return [index]
    return sorted(search.halve())


class _Search:
    def __init__(self, failing: frozenset[int], fails: Fails, most: int) -> None:
        self._failing, self._fails, self._left = failing, fails, most
        self._known: dict[frozenset[int], bool] = {failing: True, frozenset(): False}

    def try_only(self, chosen: frozenset[int]) -> bool:
        """Boot with the chosen differences. If the boot fails, the search goes on with these."""
        if chosen not in self._known:
            if not self._left:
                raise TooManyBoots(self._failing)
            self._left -= 1
            self._known[chosen] = self._fails(chosen)
        if self._known[chosen]:
            self._failing = chosen
        return self._known[chosen]

    def halve(self) -> frozenset[int]:
        """Zeller's ddmin: leave out as much as possible."""
        parts = 2
        while len(self._failing) >= 2:
            items = sorted(self._failing)
            size = -(-len(items) // parts)
            pieces = [frozenset(items[at : at + size]) for at in range(0, len(items), size)]
            if any(self.try_only(piece) for piece in pieces):
                parts = 2
            elif any(self.try_only(frozenset(items) - piece) for piece in pieces):
                parts = max(parts - 1, 2)
            elif size == 1:
                break
            else:
                parts = min(2 * parts, len(items))
        return self._failing
