"""Compare the loaded segments with the kernel file at the entry, before the guest has run.

Reading 40 MB through a gdb stub takes ten seconds, so pvhdbg compares only the parts that are likely to be overwritten:
low memory, which firmware uses; the surroundings of the boot data; memory that the map does not list as RAM; the entry.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import ranges, regions
from pvhdbg.boot.stop.capture import MAX_OVERWRITTEN, Overwritten
from pvhdbg.boot.stop.map_entries import decode_entries, ram_ranges
from pvhdbg.errors import PvhdbgError
from pvhdbg.image.file import open_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.ranges import AddressRange
    from pvhdbg.image.facts import ImageFacts, Segment
    from pvhdbg.image.file import File
    from pvhdbg.target.base import Target

MAX_COMPARED = 256 << 10
"""The most bytes that are compared."""
SHOWN = 16
"""How many bytes of each difference are kept."""
_LOW_MEMORY, _ALWAYS_RAM = (0, 1 << 20), (0, 0x80000)
_PAGE, _SAMPLE, _GAP = 4096, 256, 16
_MAX_SEGMENTS = 32


def compare(target: Target, image: ImageFacts | None, capture: Capture) -> tuple[Overwritten, ...]:
    """Return where guest memory differs from the file; nothing if there is no file, or it or memory can't be read."""
    if image is None:
        return ()
    with suppress(PvhdbgError), closing(open_file(image.elf)) as file:
        return tuple(_differences(target, image, file, _selected(image, capture)))
    return ()


def _selected(image: ImageFacts, capture: Capture) -> list[AddressRange]:
    """Return the ranges to compare, at most MAX_COMPARED bytes: first those that are most likely overwritten."""
    entries = decode_entries(capture.memory_map.entries) if capture.memory_map else ()
    # Without memory at an address, QEMU returns zeros. Only the map says where there is memory.
    listed = [(entry.addr, entry.end) for entry in entries]
    loaded = _intersection(
        [_file_range(segment) for segment in image.segments[:_MAX_SEGMENTS]], listed or [_ALWAYS_RAM]
    )
    passed = [*regions.structures(capture), *regions.modules(capture.modules or ())]
    points = [image.entry or 0, *(point for start, end in loaded for point in (start, end - _SAMPLE))]
    candidates = (
        [(max(region.start - _PAGE, 0), region.end + _PAGE) for region in passed],
        [(point, point + _SAMPLE) for point in points],
        [_LOW_MEMORY],
        ranges.minus(loaded, ram_ranges(entries)) if entries else [],
    )
    chosen: list[AddressRange] = []
    for group in candidates:
        new = ranges.minus(_intersection(loaded, group), chosen)
        chosen = ranges.union([*chosen, *_first_bytes(new, MAX_COMPARED - ranges.total(chosen))])
    return chosen


def _file_range(segment: Segment) -> AddressRange:
    return segment.paddr, segment.paddr + min(segment.filesz, segment.memsz)


def _intersection(one: Iterable[AddressRange], other: Iterable[AddressRange]) -> list[AddressRange]:
    """Return the ranges that are in both sets of ranges."""
    whole = ranges.union(one)
    return ranges.minus(whole, ranges.minus(whole, other))


def _first_bytes(parts: Iterable[AddressRange], limit: int) -> Iterator[AddressRange]:
    for start, end in parts:
        if limit <= 0:
            return
        yield start, min(end, start + limit)
        limit -= end - start


def _differences(target: Target, image: ImageFacts, file: File, selected: list[AddressRange]) -> Iterator[Overwritten]:
    count = 0
    for segment in image.segments[:_MAX_SEGMENTS]:
        # If two segments share an address, the file does not say what is loaded there.
        others = [(it.paddr, it.end) for it in image.segments if it is not segment]
        for start, end in ranges.minus(_intersection([_file_range(segment)], selected), others):
            expected = file[segment.offset + start - segment.paddr : segment.offset + end - segment.paddr]
            actual = target.read_phys(start, end - start)
            for first, last in _runs(expected, actual) if len(expected) == len(actual) else ():
                if count == MAX_OVERWRITTEN:
                    return
                count += 1
                bytes_shown = slice(first, min(last, first + SHOWN))
                yield Overwritten(start + first, last - first, expected[bytes_shown], actual[bytes_shown])


def _runs(expected: bytes, actual: bytes) -> Iterator[tuple[int, int]]:
    """Yield the first offset of each difference, and the offset after it. Near differences are joined."""
    if expected == actual:
        return
    first = last = None
    for offset in (index for index, (one, other) in enumerate(zip(expected, actual, strict=True)) if one != other):
        if first is not None and last is not None and offset - last > _GAP:
            yield first, last
            first = None
        first = offset if first is None else first
        last = offset + 1
    if first is not None and last is not None:
        yield first, last
