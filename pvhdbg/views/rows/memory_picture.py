"""Memory as strips of cells, to scale: the type of each range in the memory map, and the location of the boot data.

The reports and the TUI draw a Picture. The time to make one depends only on the number of map entries, not on the
addresses in them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_TYPES, RAM
from pvhdbg.boot.stop import regions
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pvhdbg.boot.stop.capture import Capture, MapRecord
    from pvhdbg.image.facts import ImageFacts

WIDTH = 64
MIB, FOUR_GIB = 1 << 20, 1 << 32
TOP = 1 << 64
LETTERS = {regions.START_INFO: "s", regions.MODLIST: "l", regions.CMDLINE: "c", regions.MEMORY_MAP: "t"}
KERNEL = "k"
NOT_LISTED, OVERLAP, UNKNOWN = "not listed", "listed as two types", "unknown type"


class Part(NamedTuple):
    """An address range of one kind. Consecutive parts leave no gap and do not overlap."""

    start: int
    end: int
    kind: str


class Mark(NamedTuple):
    """A region of memory that is marked with a letter, such as the kernel or a module."""

    letter: str
    name: str
    start: int
    end: int


class Strip(NamedTuple):
    """An address range to scale: the kind of each cell, and each mark with its first and last cell."""

    start: int
    end: int
    cells: tuple[str, ...]
    marks: tuple[tuple[Mark, int, int], ...]


class Picture(NamedTuple):
    """The strips and all marks. `outside` and `marks_outside` are the ranges and marks that no strip shows."""

    strips: tuple[Strip, ...]
    marks: tuple[Mark, ...]
    outside: tuple[Part, ...]
    marks_outside: tuple[Mark, ...]


def of_capture(capture: Capture, image: ImageFacts | None = None, width: int = WIDTH) -> Picture:
    """Return a picture of the memory map, with the kernel, the modules, start_info and the structures it points to."""
    entries = capture.memory_map.entries if capture.memory_map else ()
    return picture(parts(entries), marks(capture, image), width)


def picture(all_parts: Sequence[Part], marks: Sequence[Mark], width: int = WIDTH) -> Picture:
    """Return a picture of up to three strips of `width` cells.

    They show the first MiB, the range from there to the end of RAM below 4 GiB, and the RAM above 4 GiB.
    """
    bounds = list(_bounds(all_parts, marks))
    strips = tuple(_strip(start, end, all_parts, marks, width) for start, end in bounds)
    return Picture(
        strips,
        tuple(marks),
        tuple(part for part in all_parts if part.kind != NOT_LISTED and _is_outside(part.start, part.end, bounds)),
        tuple(mark for mark in marks if _is_outside(mark.start, mark.end, bounds)),
    )


def marks(capture: Capture, image: ImageFacts | None = None) -> list[Mark]:
    """Return the marks for the kernel, the modules and the boot data, as far as the capture has them."""
    return [*_kernel(image), *_modules(capture), *_structures(capture)]


def _kernel(image: ImageFacts | None) -> Iterator[Mark]:
    for start, end in _joined((segment.start, segment.end) for segment in regions.kernel(image)):
        yield Mark(KERNEL, "kernel", start, end)


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge ranges that are less than 2 MiB apart."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and start < joined[-1][1] + 2 * MIB:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _modules(capture: Capture) -> Iterator[Mark]:
    for index, module in enumerate(regions.modules(capture.modules or ())):
        if module.start or module.end:
            letter, name = ("m", module.name) if index else ("i", f"initrd, {module.name}")
            yield Mark(letter, name, module.start, module.end)


def _structures(capture: Capture) -> Iterator[Mark]:
    structures = {structure.name: structure for structure in regions.structures(capture)}
    for name, letter in LETTERS.items():
        if name in structures:
            yield Mark(letter, name.removeprefix("the "), structures[name].start, structures[name].end)


def parts(entries: Sequence[MapRecord]) -> list[Part]:
    """Return the parts from address 0 to the end of the last range, at most 2^64."""
    changes: Counter[tuple[int, str]] = Counter()
    for entry in entries:
        start, end = entry.addr, min(entry.addr + entry.size, TOP)
        if start < end:
            changes[start, kind_of(entry.type)] += 1
            changes[end, kind_of(entry.type)] -= 1
    return list(_sweep(changes))


def kind_of(number: int) -> str:
    return E820_TYPES.name(number) if number in E820_TYPES.names else UNKNOWN


def _sweep(changes: Counter[tuple[int, str]]) -> Iterator[Part]:
    """Yield a part for each range of addresses that are of the same kind."""
    changes_at: dict[int, list[tuple[str, int]]] = {0: []}
    for (address, kind), change in changes.items():
        changes_at.setdefault(address, []).append((kind, change))
    counts: dict[str, int] = {}
    start, before = 0, NOT_LISTED
    for address in sorted(changes_at):
        for kind, change in changes_at[address]:
            counts[kind] = counts.get(kind, 0) + change
            if not counts[kind]:
                del counts[kind]
        kind = NOT_LISTED if not counts else OVERLAP if len(counts) > 1 else next(iter(counts))
        if kind != before:
            if address > start:
                yield Part(start, address, before)
            start, before = address, kind


def _bounds(parts: Sequence[Part], marks: Sequence[Mark]) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each strip."""
    yield 0, MIB
    ram = [(part.start, part.end) for part in parts if part.kind == E820_TYPES.name(RAM)]
    known = [*ram, *((mark.start, mark.end) for mark in marks), *_around_kernel(parts, marks)]
    below = max((min(end, FOUR_GIB) for start, end in known if start < FOUR_GIB), default=0)
    if below > MIB:
        yield MIB, below
    above = [(max(start, FOUR_GIB), end) for start, end in ram if end > FOUR_GIB]
    if above:
        yield above[0][0], above[-1][1]


def _around_kernel(parts: Sequence[Part], marks: Sequence[Mark]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of the map that the kernel is in, even if they are not RAM: the picture must show that."""
    for mark in marks:
        if mark.letter == KERNEL:
            yield from ((part.start, part.end) for part in parts if part.start < mark.end and mark.start < part.end)


def _is_outside(start: int, end: int, bounds: Sequence[tuple[int, int]]) -> bool:
    return not any(start < high and low < max(end, start + 1) for low, high in bounds)


def _strip(start: int, end: int, parts: Sequence[Part], marks: Sequence[Mark], width: int) -> Strip:
    scale = _Scale(start, end, width)
    shares: list[Counter[str]] = [Counter() for _ in range(width)]
    for part in parts:
        low, high = max(part.start, start), min(part.end, end)
        for cell in scale.cells(low, high):
            cell_start, cell_end = scale.bounds(cell)
            shares[cell][part.kind] += min(high, cell_end) - max(low, cell_start)
    marked = ((mark, scale.cells(max(mark.start, start), min(max(mark.end, mark.start + 1), end))) for mark in marks)
    return Strip(
        start,
        end,
        tuple(map(_largest, shares)),
        tuple((mark, cells[0], cells[-1]) for mark, cells in marked if cells),
    )


def _largest(share: Counter[str]) -> str:
    """Return the kind of most bytes in a cell, or OVERLAP if the map lists any of the bytes as two types."""
    if share[OVERLAP]:
        return OVERLAP
    return max(share, key=lambda kind: share[kind]) if share.total() else NOT_LISTED


class _Scale(NamedTuple):
    start: int
    end: int
    width: int

    def cells(self, low: int, high: int) -> range:
        """Return the cells that [low, high) touches."""
        if low >= high:
            return range(0)
        return range(self.cell(low), self.cell(high - 1) + 1)

    def cell(self, address: int) -> int:
        # The number of cells that begin at or before the address, minus one.
        return ((address - self.start + 1) * self.width - 1) // (self.end - self.start)

    def bounds(self, cell: int) -> tuple[int, int]:
        length = self.end - self.start
        return self.start + cell * length // self.width, self.start + (cell + 1) * length // self.width
