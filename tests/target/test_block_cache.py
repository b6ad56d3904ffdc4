from collections.abc import Sequence

import pytest

from pvhdbg.target.block_cache import BlockCache


class Memory:
    """Memory in which each byte is a function of its address, and a list of what was fetched."""

    def __init__(self) -> None:
        self.fetched: list[tuple[int, int]] = []

    def __call__(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.fetched += ranges
        return [content(*each) for each in ranges]


def content(start: int, size: int) -> bytes:
    return bytes((at * 7 + (at >> 8)) & 0xFF for at in range(start, start + size))


@pytest.mark.parametrize("start", [0, 1, 0xFF, 0x100, 0x1234])
@pytest.mark.parametrize("size", [1, 0x100, 0x101, 0x2000, 0x2001, 0x9000])
def test_what_is_read_is_what_is_there(start: int, size: int) -> None:
    assert content(start, size) == BlockCache(Memory()).read(start, size)


def test_what_was_read_is_not_fetched_again() -> None:
    memory = Memory()
    blocks = BlockCache(memory)
    blocks.read(0x1010, 0x20)
    blocks.read(0x10F0, 0x20)
    blocks.read(0x1000, 0x200)

    assert [(0x1000, 0x100), (0x1100, 0x100)] == memory.fetched


def test_blocks_side_by_side_are_fetched_as_one() -> None:
    memory = Memory()
    blocks = BlockCache(memory)
    blocks.read(0x1200, 1)
    blocks.read(0x1000, 0x500)

    assert [(0x1200, 0x100), (0x1000, 0x200), (0x1300, 0x200)] == memory.fetched


def test_forgotten_memory_is_fetched_again() -> None:
    memory = Memory()
    blocks = BlockCache(memory)
    blocks.read(0x1000, 1)
    blocks.forget()
    blocks.read(0x1000, 1)

    assert [(0x1000, 0x100)] * 2 == memory.fetched


def test_the_last_block_that_there_is_can_be_read() -> None:
    assert content((1 << 64) - 8, 8) == BlockCache(Memory()).read((1 << 64) - 8, 8)


def test_what_is_kept_has_a_bound() -> None:
    blocks = BlockCache(Memory())
    for start in range(0, 0x200000, 0x1000):
        blocks.read(start, 0x1000)

    assert len(blocks._kept) <= 0x1010
