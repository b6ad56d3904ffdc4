"""One address on its way through the page tables: RIP at the first stop with paging, as boxes and arrows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.paging import Paging, walk
from pvhdbg.boot.stop import regions
from pvhdbg.errors import MemoryUnreadable
from pvhdbg.views.pictures import graph
from pvhdbg.views.pictures.graph import Box, Line
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.abi.paging import Level, Step
    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.views.pictures.drawing import Drawing

_TITLE = "RIP on its way through the page tables"
_FLAGS = {0: "P", 1: "RW", 2: "US", 5: "A", 6: "D", 7: "PS", 8: "G", 63: "NX"}
"""Bits of an entry, by the names in Intel's manual."""


def as_text(run: Document) -> list[str]:
    """Return the picture as lines of text."""
    return graph.as_text(boxes(run), _TITLE)


def draw(run: Document) -> Drawing:
    """Draw the picture."""
    return graph.draw(boxes(run), "paging", _TITLE)


def boxes(run: Document) -> list[Box]:
    """Return a box for the address, one for each level of page tables, and one for the page."""
    for stop in run.stops:
        paging = _paging(stop)
        if paging is not None and paging.on and stop.rip is not None:
            return list(_boxes(run, stop, paging, stop.rip))
    return [Box("none", "no page tables", (Line("no stop of this run has paging on"),), 0, is_missing=True)]


def _paging(stop: Capture) -> Paging | None:
    values = [stop.registers.get(name) for name in Paging._fields]
    known = [value for value in values if value is not None]
    return Paging(*known) if len(known) == len(values) else None


def _boxes(run: Document, stop: Capture, paging: Paging, rip: int) -> Iterator[Box]:
    levels = paging.levels()
    try:
        walked = walk(lambda paddr, size: _read(stop, paddr, size), paging, rip)
    except MemoryUnreadable as unreadable:
        yield Box("address", f"rip at stage {stop.stage}", (Line(f"{rip:#x}"), Line(f"cr3 {paging.cr3:#x}", "lost")), 0)
        yield Box(
            "lost", "page tables", (Line(f"the entry at {unreadable.paddr:#x} was not captured"),), 1, is_missing=True
        )
        return
    pairs = list(zip(walked.steps, levels, strict=False))
    yield Box("address", f"rip at stage {stop.stage}", tuple(_address(paging, [it for _, it in pairs], rip)), 0)
    for at, (step, level) in enumerate(pairs):
        following = pairs[at + 1][1].name if at + 1 < len(pairs) else "page"
        yield Box(
            level.name, f"{level.name}, entry {_index(level, rip):#x}", tuple(_entry(step, level, following)), at + 1
        )
    yield _page(run, walked.paddr, pairs[-1][1] if pairs else levels[-1], len(pairs) + 1)


def _read(stop: Capture, paddr: int, size: int) -> bytes:
    data = stop.bytes_at(paddr, size)
    if data is None:
        raise MemoryUnreadable(paddr, size)
    return data


def _index(level: Level, rip: int) -> int:
    return rip >> level.shift & (1 << level.bits) - 1


def _address(paging: Paging, levels: Sequence[Level], rip: int) -> Iterator[Line]:
    """Yield the address, its parts, and the register that leads to the first table."""
    yield Line(f"{rip:#x}")
    for level in levels:
        yield Line(f"bits {f'{level.shift + level.bits - 1}-{level.shift}':6} {_index(level, rip):#8x}  {level.name}")
    if levels:
        last = levels[-1].shift
        yield Line(f"bits {f'{last - 1}-0':6} {rip & (1 << last) - 1:#8x}  in the page")
    yield Line(f"cr3 {paging.cr3:#x}", levels[0].name if levels else "page")


def _entry(step: Step, level: Level, following: str) -> Iterator[Line]:
    yield Line(f"at {step.paddr:#x}")
    yield Line(f"{step.entry:#x}", following)
    yield Line(" ".join(name for bit, name in _FLAGS.items() if step.entry >> bit & 1) or "not present")
    yield Line(
        f"maps {text.size(1 << level.shift)}" if following == "page" else f"a table of {1 << level.bits} entries"
    )


def _page(run: Document, paddr: int | None, level: Level, column: int) -> Box:
    if paddr is None:
        return Box("page", "not mapped", (Line("the next access faults"),), column, is_missing=True)
    start = paddr >> level.shift << level.shift
    inside = any(segment.start <= paddr < segment.end for segment in regions.kernel(run.kernel))
    lines = [f"{text.span(start, start + (1 << level.shift))}", f"rip is at {paddr:#x}"]
    return Box(
        "page", f"page of {text.size(1 << level.shift)}", tuple(map(Line, lines + ["in the kernel"] * inside)), column
    )
