"""The image in memory is compared with the file, but only where a difference is likely, and within a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.run import file_match
from pvhdbg.boot.stop.capture import MAX_OVERWRITTEN, Overwritten
from pvhdbg.image.facts import ImageFacts, Segment
from tests import build

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pvhdbg.target.base import Target

MIB = 1 << 20
CONTENT = bytes(index * 7 & 0xFF for index in range(4096)) * 512


class Machine:
    """A Target with this memory, which starts at `base`. `reads` are the ranges that were read."""

    def __init__(self, base: int, memory: bytes) -> None:
        self.base = base
        self.memory = bytearray(memory)
        self.reads: list[tuple[int, int]] = []

    def read_phys(self, paddr: int, size: int) -> bytes:
        self.reads.append((paddr, size))
        return bytes(self.memory[paddr - self.base :][:size])

    def register(self, name: str) -> int:
        raise AssertionError(name)

    def symbol(self, name: str) -> int:
        raise AssertionError(name)


def compare(
    folder: Path, machine: Target, segments: Sequence[Segment], entry: int | None = None
) -> tuple[Overwritten, ...]:
    path = folder / "kernel"
    path.write_bytes(CONTENT)
    image = ImageFacts(str(path), str(path), "elf", 64, 62, entry, None, None, tuple(segments), ())
    return file_match.compare(machine, image, build.linux_guest().at("entry"))


def low(paddr: int = 0x10000, size: int = 0x4000, offset: int = 0) -> Segment:
    return Segment(paddr, paddr, size, size, offset)


def changed(machine: Machine, *places: tuple[int, int]) -> Machine:
    for paddr, size in places:
        for at in range(paddr - machine.base, paddr - machine.base + size):
            machine.memory[at] ^= 0xFF
    return machine


def test_an_intact_image_has_no_differences(tmp_path: Path) -> None:
    assert () == compare(tmp_path, Machine(0x10000, CONTENT), [low()])


def test_each_difference_has_its_address_its_size_and_the_first_bytes_of_both(tmp_path: Path) -> None:
    machine = changed(Machine(0x10000, CONTENT), (0x10010, 100), (0x13FFF, 1))
    found = compare(tmp_path, machine, [low()])
    memory = bytes(machine.memory)

    assert (
        Overwritten(0x10010, 100, CONTENT[0x10:0x20], memory[0x10:0x20]),
        Overwritten(0x13FFF, 1, CONTENT[0x3FFF:0x4000], memory[0x3FFF:0x4000]),
    ) == found


@pytest.mark.parametrize(("gap", "count"), [(16, 1), (17, 2)])
def test_near_differences_are_one(tmp_path: Path, gap: int, count: int) -> None:
    machine = changed(Machine(0x10000, CONTENT), (0x10100, 1), (0x10101 + gap, 1))

    assert count == len(compare(tmp_path, machine, [low()]))


def test_the_bytes_of_the_file_are_found_by_the_offset_of_the_segment(tmp_path: Path) -> None:
    assert () == compare(tmp_path, Machine(0x10000, CONTENT[0x123:]), [low(offset=0x123)])
    assert () != compare(tmp_path, Machine(0x10000, CONTENT[0x124:]), [low(offset=0x123)])


def test_bytes_after_the_end_of_the_file_part_are_not_compared(tmp_path: Path) -> None:
    machine = changed(Machine(0x10000, CONTENT), (0x11000, 0x1000))

    assert () == compare(tmp_path, machine, [Segment(0x10000, 0x10000, 0x1000, 0x4000, 0)])


def test_bytes_that_two_segments_load_are_not_compared(tmp_path: Path) -> None:
    machine = changed(Machine(0x10000, CONTENT), (0x11000, 0x1000))

    assert () == compare(tmp_path, machine, [low(), low(0x11000, 0x1000, 0x1000)])


@pytest.mark.parametrize(
    ("place", "is_found"),
    [
        (build.START_INFO, True),  # boot data
        (16 * MIB, True),  # the first bytes of a segment
        (18 * MIB - 1, True),  # the last ones
        (17 * MIB, True),  # the entry
        (17 * MIB + 0x10000, False),  # somewhere else
    ],
)
def test_a_large_image_is_compared_where_something_is_likely_to_be_overwritten(
    tmp_path: Path, place: int, is_found: bool
) -> None:
    machine = Machine(16 * MIB, CONTENT)
    segments = [low(16 * MIB, 2 * MIB)]
    if place < MIB:
        machine, segments = Machine(0, CONTENT), [low(0, 2 * MIB)]
    found = compare(tmp_path, changed(machine, (place, 1)), segments, 17 * MIB)

    assert is_found == bool(found)


def test_at_most_the_limit_is_read_and_kept(tmp_path: Path) -> None:
    machine = Machine(0, bytes(2 * MIB))
    found = compare(tmp_path, machine, [low(0, 2 * MIB)])

    assert sum(size for _, size in machine.reads) <= file_match.MAX_COMPARED
    assert len(found) <= MAX_OVERWRITTEN


def test_more_differences_than_the_limit_are_cut(tmp_path: Path) -> None:
    machine = changed(Machine(0x10000, CONTENT), *((0x10000 + 32 * index, 1) for index in range(MAX_OVERWRITTEN + 1)))

    assert MAX_OVERWRITTEN == len(compare(tmp_path, machine, [low()]))


def test_a_file_that_is_gone_is_not_compared(tmp_path: Path) -> None:
    image = build.linux()._replace(elf=str(tmp_path / "gone"))

    assert () == file_match.compare(Machine(0, b""), image, build.linux_guest().at("entry"))


def test_memory_that_the_map_does_not_list_is_not_compared(tmp_path: Path) -> None:
    end = build.MAP[4][0] + build.MAP[4][1]
    inside, outside = low(end - 0x1000, 0x1000), low(end, 0x1000)

    assert () != compare(tmp_path, Machine(inside.paddr, bytes(0x1000)), [inside])
    assert () == compare(tmp_path, Machine(outside.paddr, bytes(0x1000)), [outside])
