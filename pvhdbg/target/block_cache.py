"""A cache of guest memory in small blocks. It must be cleared when the guest may have changed its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Fetch = Callable[[Sequence[tuple[int, int]]], Sequence[bytes]]

SIZE = 0x100
# Decoding often reads the same few hundred bytes again. Larger reads are not repeated, so they are not cached.
_LARGEST_CACHED_READ = 0x2000
_MAX_BLOCKS = 0x1000


class BlockCache:
    """A cache of aligned blocks of `SIZE` bytes. `fetch` reads several (address, size) ranges in one call."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._blocks: dict[int, bytes] = {}

    def clear(self) -> None:
        self._blocks.clear()

    def read(self, start: int, size: int) -> bytes:
        if size > _LARGEST_CACHED_READ:
            return self._fetch([(start, size)])[0]
        if len(self._blocks) > _MAX_BLOCKS:
            self._blocks.clear()
        first = start - start % SIZE
        addresses = range(first, start + size, SIZE)
        self._add([address for address in addresses if address not in self._blocks])
        data = b"".join(self._blocks[address] for address in addresses)
        return data[start - first :][:size]

    def _add(self, missing: Sequence[int]) -> None:
        ranges = _join(missing)
        for (start, size), data in zip(ranges, self._fetch(ranges) if ranges else (), strict=True):
            self._blocks.update({start + offset: data[offset : offset + SIZE] for offset in range(0, size, SIZE)})


def _join(addresses: Sequence[int]) -> list[tuple[int, int]]:
    """Return the blocks at these addresses as (address, size) ranges, with adjacent blocks joined."""
    ranges: list[tuple[int, int]] = []
    for address in addresses:
        if ranges and sum(ranges[-1]) == address:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + SIZE)
        else:
            ranges.append((address, SIZE))
    return ranges


def split(start: int, size: int, limit: int) -> list[tuple[int, int]]:
    """Return a range as (address, size) ranges of at most `limit` bytes."""
    return [(start + offset, min(limit, size - offset)) for offset in range(0, size, limit)]
