"""Memory as strips of cells, to scale: what each part is listed as, and where the things handed over lie.

A picture is a value, for whoever draws it. Whatever a guest lists, the work is bounded by the entries read.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.e820 import E820_TYPES, RAM
from pvhdbg.boot.stop import regions as placed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pvhdbg.boot.stop.capture import Capture, MapRecord
    from pvhdbg.image.facts import ImageFacts

WIDTH = 64
MIB, FOUR_GIB = 1 << 20, 1 << 32
TOP = 1 << 64
LETTERS = {placed.START_INFO: "s", placed.MODLIST: "l", placed.CMDLINE: "c", placed.MEMORY_MAP: "t"}
NOT_LISTED, OVERLAP, UNKNOWN = "not listed", "listed as two types", "unknown type"


class Part(NamedTuple):
    """A stretch of memory of one kind; parts follow each other without gap or overlap."""

    start: int
    end: int
    kind: str


class Mark(NamedTuple):
    """Something that lies in memory and is marked by its letter."""

    letter: str
    name: str
    start: int
    end: int


class Strip(NamedTuple):
    """A stretch of memory to scale: the kind of each cell, and each mark with its first and last cell."""

    start: int
    end: int
    cells: tuple[str, ...]
    marks: tuple[tuple[Mark, int, int], ...]


class Picture(NamedTuple):
    """`outside` are the listed ranges and the marks that no strip shows."""

    strips: tuple[Strip, ...]
    marks: tuple[Mark, ...]
    outside: tuple[Part, ...]
    marks_outside: tuple[Mark, ...]


def of_capture(capture: Capture, image: ImageFacts | None = None, width: int = WIDTH) -> Picture:
    """The map that was handed over, with the kernel, the modules, and start_info and what it points to."""
    entries = capture.memory_map.entries if capture.memory_map else ()
    return picture(entries, marks(capture, image), width)


def picture(entries: Sequence[MapRecord], found: Sequence[Mark], width: int = WIDTH) -> Picture:
    """The first MiB, from there to the end of the RAM below 4 GiB, and the RAM above, each `width` cells long."""
    listed = parts(entries)
    bounds = list(_bounds(listed, found))
    strips = tuple(_strip(start, end, listed, found, width) for start, end in bounds)
    return Picture(
        strips,
        tuple(found),
        tuple(each for each in listed if each.kind != NOT_LISTED and _outside(each.start, each.end, bounds)),
        tuple(each for each in found if _outside(each.start, each.end, bounds)),
    )


def marks(capture: Capture, image: ImageFacts | None = None) -> list[Mark]:
    """What lies in memory at this stop, as far as it was found."""
    return [*_kernel(image), *_modules(capture), *_structures(capture)]


def _kernel(image: ImageFacts | None) -> Iterator[Mark]:
    for start, end in _joined((each.start, each.end) for each in placed.kernel(image)):
        yield Mark("k", "kernel", start, end)


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges that touch, or leave less than 2 MiB between them, as one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and start < joined[-1][1] + 2 * MIB:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _modules(capture: Capture) -> Iterator[Mark]:
    for index, each in enumerate(placed.modules(capture.modules or ())):
        if each.start or each.end:
            yield Mark("m" if index else "i", each.name if index else f"initrd, {each.name}", each.start, each.end)


def _structures(capture: Capture) -> Iterator[Mark]:
    found = {each.name: each for each in placed.structures(capture)}
    for name, letter in LETTERS.items():
        if name in found:
            yield Mark(letter, name.removeprefix("the "), found[name].start, found[name].end)


def parts(entries: Sequence[MapRecord]) -> list[Part]:
    """What is listed, cut where anything begins or ends: from 0 to the end of the last range, or of memory."""
    begins: Counter[tuple[int, str]] = Counter()
    for each in entries:
        start, end = each.addr, min(each.addr + each.size, TOP)
        if start < end:
            begins[start, kind_of(each.type)] += 1
            begins[end, kind_of(each.type)] -= 1
    return _merged(_sweep(begins))


def kind_of(number: int) -> str:
    return E820_TYPES.name(number) if number in E820_TYPES.names else UNKNOWN


def _sweep(begins: Counter[tuple[int, str]]) -> Iterator[Part]:
    changes: dict[int, list[tuple[str, int]]] = {0: []}
    for (at, kind), change in begins.items():
        changes.setdefault(at, []).append((kind, change))
    live: Counter[str] = Counter()
    for start, end in pairwise(sorted(changes)):
        for kind, change in changes[start]:
            live[kind] += change
        yield Part(start, end, _kind(live))


def _kind(live: Counter[str]) -> str:
    kinds = [kind for kind, count in live.items() if count]
    return NOT_LISTED if not kinds else kinds[0] if len(kinds) == 1 else OVERLAP


def _merged(found: Iterable[Part]) -> list[Part]:
    merged: list[Part] = []
    for each in found:
        if merged and merged[-1].kind == each.kind:
            merged[-1] = merged[-1]._replace(end=each.end)
        else:
            merged.append(each)
    return merged


def _bounds(listed: Sequence[Part], found: Sequence[Mark]) -> Iterator[tuple[int, int]]:
    yield 0, MIB
    ram = [(each.start, each.end) for each in listed if each.kind == E820_TYPES.name(RAM)]
    known = ram or [(each.start, each.end) for each in found]
    below = max((min(end, FOUR_GIB) for start, end in known if start < FOUR_GIB), default=0)
    if below > MIB:
        yield MIB, below
    above = [(max(start, FOUR_GIB), end) for start, end in ram if end > FOUR_GIB]
    if above:
        yield above[0][0], above[-1][1]


def _outside(start: int, end: int, bounds: Sequence[tuple[int, int]]) -> bool:
    return not any(start < high and low < max(end, start + 1) for low, high in bounds)


def _strip(start: int, end: int, listed: Sequence[Part], found: Sequence[Mark], width: int) -> Strip:
    scale = _Scale(start, end, width)
    shares: list[Counter[str]] = [Counter() for _ in range(width)]
    for part in listed:
        low, high = max(part.start, start), min(part.end, end)
        for cell in scale.cells(low, high):
            cell_start, cell_end = scale.bounds(cell)
            shares[cell][part.kind] += min(high, cell_end) - max(low, cell_start)
    placed = ((mark, scale.cells(max(mark.start, start), min(max(mark.end, mark.start + 1), end))) for mark in found)
    return Strip(
        start,
        end,
        tuple(map(_largest, shares)),
        tuple((mark, cells[0], cells[-1]) for mark, cells in placed if cells),
    )


def _largest(share: Counter[str]) -> str:
    """What most of a cell is; that something in it is listed as two types must not get lost."""
    if share[OVERLAP]:
        return OVERLAP
    return max(share, key=lambda kind: share[kind]) if share.total() else NOT_LISTED


class _Scale(NamedTuple):
    start: int
    end: int
    width: int

    def cells(self, low: int, high: int) -> range:
        """The cells that [low, high) touches."""
        if low >= high:
            return range(0)
        return range(self.cell(low), self.cell(high - 1) + 1)

    def cell(self, address: int) -> int:
        # The cell before the one whose first byte lies behind the address.
        return ((address - self.start + 1) * self.width - 1) // (self.end - self.start)

    def bounds(self, cell: int) -> tuple[int, int]:
        length = self.end - self.start
        return self.start + cell * length // self.width, self.start + (cell + 1) * length // self.width
