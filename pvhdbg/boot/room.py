"""Where new structures go: the lowest RAM that is clear of everything the guest still needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import RAM
from pvhdbg.abi.start_info import StartInfo
from pvhdbg.boot.rules import EARLY_REACH
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    from pvhdbg.boot.capture import Capture
    from pvhdbg.image.facts import ImageFacts

LOWEST = 0x10000
ALIGNMENT = 16
# What every PC has, for a guest that was given no map.
CONVENTIONAL = (0, 0x9F000)

Span = tuple[int, int]
"""First address, and one past the last."""


class Room:
    """RAM from 0x10000 up to where a kernel's early page tables end, and what of it is taken."""

    def __init__(self, ram: Iterable[Span], taken: Iterable[Span]) -> None:
        self._ram = sorted(ram)
        self._taken = [each for each in taken if each[0] < each[1]]

    def place(self, size: int) -> int:
        """The lowest free address for `size` bytes, which are taken from now on.

        :raise UserError: if there is none.
        """
        for start, end in self._ram:
            at = self._free_in(max(start, LOWEST), min(end, EARLY_REACH), size)
            if at is not None:
                self._taken.append((at, at + size))
                return at
        raise UserError(f"no free RAM below {EARLY_REACH:#x} for {size} bytes")

    def _free_in(self, start: int, end: int, size: int) -> int | None:
        at = _aligned(start)
        for low, high in sorted(self._taken):
            if at + size <= low:
                break
            at = max(at, _aligned(high))
        return at if at + size <= end else None


def room(capture: Capture, image: ImageFacts | None) -> Room:
    """The room at an entry that nothing has been changed at yet."""
    return Room(_ram(capture), _taken(capture, image))


def _ram(capture: Capture) -> list[Span]:
    """The map's RAM, without what the map also lists as something else."""
    entries = capture.memory_map.entries if capture.memory_map else ()
    spans = [(each.addr, each.addr + each.size) for each in entries if each.type == RAM and each.size]
    for other in entries:
        if other.type != RAM and other.size:
            cut = other.addr, other.addr + other.size
            spans = [piece for span in spans for piece in _without(span, cut)]
    return spans or [CONVENTIONAL]


def _without(span: Span, cut: Span) -> Iterator[Span]:
    for start, end in ((span[0], min(span[1], cut[0])), (max(span[0], cut[1]), span[1])):
        if start < end:
            yield start, end


def _taken(capture: Capture, image: ImageFacts | None) -> Iterator[Span]:
    """The kernel, the modules, and every byte that led to something."""
    if image:
        yield from ((each.paddr, each.end) for each in image.segments)
    if capture.start_info and capture.start_info.at is not None:
        yield capture.start_info.at, capture.start_info.at + StartInfo.SIZE
    for module in capture.modules or ():
        yield module.entry.paddr, module.entry.paddr + module.entry.size
    yield from ((start, start + len(data)) for start, data in capture.memory)


def _aligned(address: int) -> int:
    return -(-address // ALIGNMENT) * ALIGNMENT
