"""What lies in memory at a stop: the kernel, the modules, and the structures that were handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.e820 import blob_size
from pvhdbg.abi.start_info import MemmapTableEntry, ModlistEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pvhdbg.boot.stop.capture import Capture, MemoryMap, Module
    from pvhdbg.image.facts import ImageFacts

START_INFO, CMDLINE, MODLIST, MEMORY_MAP = "start_info", "the command line", "the module list", "the memory map"
KERNEL = "the kernel"


class Region(NamedTuple):
    """Something that lies in memory, and the path of the field that says where. `end` is one past the last byte."""

    name: str
    start: int
    end: int
    field: str


def kernel(image: ImageFacts | None) -> Iterator[Region]:
    """Each load segment that takes memory."""
    for index, each in enumerate(image.segments if image else ()):
        if each.memsz:
            yield Region(KERNEL, each.paddr, each.end, f"kernel.segments[{index}]")


def modules(handed_over: Iterable[Module]) -> Iterator[Region]:
    """Each module, empty ones too."""
    for index, each in enumerate(handed_over):
        yield Region(f"module {index}", *each.span, f"modules[{index}].paddr")


def structures(seen: Capture) -> Iterator[Region]:
    """What was handed over, but for the modules themselves: where each piece of it lies, as far as it was found."""
    given, found = seen.start_info, seen.memory_map
    if given and given.at is not None:
        yield Region(START_INFO, given.at, given.at + len(given.raw), "start_info")
    if seen.cmdline:
        start = seen.cmdline.paddr
        yield Region(CMDLINE, start, start + len(seen.cmdline.raw) + 1, "cmdline")
    if seen.modules and seen.modules[0].entry.at is not None:
        start = seen.modules[0].entry.at
        yield Region(MODLIST, start, start + len(seen.modules) * ModlistEntry.SIZE, "modules")
    if found and found.entries and found.paddr is not None:
        yield Region(MEMORY_MAP, found.paddr, found.paddr + _size(found), "memory_map")


def _size(found: MemoryMap) -> int:
    count = len(found.entries)
    return blob_size(count) if found.is_module else count * MemmapTableEntry.SIZE
