"""Regions of memory at a stop: the kernel, the modules, and the boot structures from the VMM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import blob_size
from pvhdbg.abi.start_info import MemmapTableEntry, ModlistEntry
from pvhdbg.boot.stop.protocols import HYPERCALL
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pvhdbg.boot.stop.capture import Capture, MemoryMap, Module
    from pvhdbg.image.facts import ImageFacts

START_INFO, CMDLINE, MODLIST, MEMORY_MAP = "start_info", "the command line", "the module list", "the memory map"
KERNEL = "the kernel"


class Region(NamedTuple):
    """A named range of memory. `end` is the address after the last byte; `field` is the path of the field with the
    address of the region.
    """

    name: str
    start: int
    end: int
    field: str


def kernel(image: ImageFacts | None) -> Iterator[Region]:
    """Yield the kernel's load segments, without those that occupy no memory."""
    for index, segment in enumerate(image.segments if image else ()):
        if segment.memsz:
            yield Region(KERNEL, segment.paddr, segment.end, f"kernel.segments[{index}]")


def modules(entries: Iterable[Module]) -> Iterator[Region]:
    """Yield all modules, including empty ones."""
    for index, module in enumerate(entries):
        yield Region(f"module {index}", *module.span, f"modules[{index}].paddr")


def structures(capture: Capture) -> Iterator[Region]:
    """Yield the boot structures from the VMM that could be read, without the contents of the modules."""
    info, memory_map = capture.start_info, capture.memory_map
    if info and info.at is not None:
        yield Region(START_INFO, info.at, info.at + len(info.raw), "start_info")
    if capture.cmdline:
        start = capture.cmdline.paddr
        yield Region(CMDLINE, start, start + len(capture.cmdline.raw) + 1, "cmdline")
    if capture.modules and capture.modules[0].entry.at is not None:
        start = capture.modules[0].entry.at
        yield Region(MODLIST, start, start + len(capture.modules) * ModlistEntry.SIZE, "modules")
    if memory_map and memory_map.entries and memory_map.paddr is not None and memory_map.protocol != HYPERCALL:
        yield Region(MEMORY_MAP, memory_map.paddr, memory_map.paddr + _size(memory_map), "memory_map")


def _size(memory_map: MemoryMap) -> int:
    count = len(memory_map.entries)
    return blob_size(count) if memory_map.is_module else count * MemmapTableEntry.SIZE
