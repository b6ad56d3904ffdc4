"""Operations on sets of address ranges. A range is a pair of the first address and the address after the last byte.

Each operation takes at most O(n log n), because a guest may list thousands of ranges.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import islice

from pvhdbg.image.file import total

__all__ = ["AddressRange", "holds", "minus", "total", "touches", "union"]

AddressRange = tuple[int, int]


def union(ranges: Iterable[AddressRange]) -> list[AddressRange]:
    """Return the ranges in ascending order. Overlapping and adjacent ranges are merged, empty ranges are dropped."""
    merged: list[AddressRange] = []
    for start, end in sorted(item for item in ranges if item[0] < item[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def minus(ranges: Iterable[AddressRange], subtracted: Iterable[AddressRange]) -> list[AddressRange]:
    """Return the parts of `ranges` that are not in any of `subtracted`, in ascending order."""
    remaining: list[AddressRange] = []
    cuts = union(subtracted)
    first = 0
    for start, end in union(ranges):
        while first < len(cuts) and cuts[first][1] <= start:
            first += 1
        position = start
        for low, high in islice(cuts, first, None):
            if low >= end:
                break
            remaining.append((position, low))
            position = high
        remaining.append((position, end))
    return [(start, end) for start, end in remaining if start < end]


def holds(ranges: Sequence[AddressRange], start: int, end: int) -> bool:
    """Return whether one of the ranges, a result of `union`, contains all of [start, end)."""
    index = bisect_right(ranges, start, key=lambda item: item[0]) - 1
    return index >= 0 and end <= ranges[index][1]


def touches(ranges: Sequence[AddressRange], start: int, end: int) -> bool:
    """Return whether any byte of [start, end) is in one of the ranges, a result of `union`."""
    index = bisect_right(ranges, start, key=lambda item: item[0])
    return (index > 0 and start < min(end, ranges[index - 1][1])) or (index < len(ranges) and ranges[index][0] < end)
