from collections.abc import Sequence

import pytest

from pvhdbg.target.block_cache import BlockCache


class Memory:
    """Memory in which each byte is a function of its address. It records the ranges that are fetched."""

    def __init__(self) -> None:
        self.fetched: list[tuple[int, int]] = []

    def __call__(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.fetched += ranges
        return [content(start, size) for start, size in ranges]


def content(start: int, size: int) -> bytes:
    return bytes((address * 7 + (address >> 8)) & 0xFF for address in range(start, start + size))


@pytest.mark.parametrize("start", [0, 1, 0xFF, 0x100, 0x1234])
@pytest.mark.parametrize("size", [1, 0x100, 0x101, 0x2000, 0x2001, 0x9000])
def test_reads_return_the_memory(start: int, size: int) -> None:
    assert content(start, size) == BlockCache(Memory()).read(start, size)


def test_a_block_is_fetched_only_once() -> None:
    memory = Memory()
    cache = BlockCache(memory)
    cache.read(0x1010, 0x20)
    cache.read(0x10F0, 0x20)
    cache.read(0x1000, 0x200)

    assert [(0x1000, 0x100), (0x1100, 0x100)] == memory.fetched


def test_adjacent_blocks_are_fetched_as_one_range() -> None:
    memory = Memory()
    cache = BlockCache(memory)
    cache.read(0x1200, 1)
    cache.read(0x1000, 0x500)

    assert [(0x1200, 0x100), (0x1000, 0x200), (0x1300, 0x200)] == memory.fetched


def test_a_cleared_cache_fetches_again() -> None:
    memory = Memory()
    cache = BlockCache(memory)
    cache.read(0x1000, 1)
    cache.clear()
    cache.read(0x1000, 1)

    assert [(0x1000, 0x100)] * 2 == memory.fetched


def test_the_last_block_of_the_address_space_can_be_read() -> None:
    assert content((1 << 64) - 8, 8) == BlockCache(Memory()).read((1 << 64) - 8, 8)


def test_the_size_of_the_cache_is_limited() -> None:
    cache = BlockCache(Memory())
    for start in range(0, 0x200000, 0x1000):
        cache.read(start, 0x1000)

    assert len(cache._blocks) <= 0x1010


def test_a_full_cache_still_returns_blocks_that_it_holds() -> None:
    cache = BlockCache(Memory())
    for start in range(0, 0x101000, 0x1000):
        cache.read(start, 0x1000)

    assert content(0x100F00, 0x200) == cache.read(0x100F00, 0x200)
