"""Ranges of addresses as pairs, the end one past the last. Whatever a guest lists, the work is about n log n."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import islice

AddressRange = tuple[int, int]


def union(spans: Iterable[AddressRange]) -> list[AddressRange]:
    """Ascending, those that overlap or touch joined, empty ones left out."""
    joined: list[AddressRange] = []
    for start, end in sorted(each for each in spans if each[0] < each[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def minus(spans: Iterable[AddressRange], others: Iterable[AddressRange]) -> list[AddressRange]:
    """What of `spans` is in none of `others`."""
    left: list[AddressRange] = []
    cuts = union(others)
    first = 0
    for start, end in union(spans):
        while first < len(cuts) and cuts[first][1] <= start:
            first += 1
        at = start
        for low, high in islice(cuts, first, None):
            if low >= end:
                break
            left.append((at, low))
            at = high
        left.append((at, end))
    return [each for each in left if each[0] < each[1]]


def holds(spans: Sequence[AddressRange], start: int, end: int) -> bool:
    """Whether one of the spans, which `union` made, has all of [start, end) in it."""
    at = bisect_right(spans, start, key=lambda each: each[0]) - 1
    return at >= 0 and end <= spans[at][1]


def touches(spans: Sequence[AddressRange], start: int, end: int) -> bool:
    """Whether any byte of [start, end) is in one of the spans, which `union` made."""
    at = bisect_right(spans, start, key=lambda each: each[0])
    return (at > 0 and start < min(end, spans[at - 1][1])) or (at < len(spans) and spans[at][0] < end)


def total(spans: Iterable[AddressRange]) -> int:
    return sum(end - start for start, end in spans)
