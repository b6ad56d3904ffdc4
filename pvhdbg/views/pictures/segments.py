"""Segments: from the selector in each segment register to the entry of the GDT, and what it makes of an address.

Two stops are drawn: the entry, with the segments that the VMM left, and the first stop with another GDT: the kernel's
own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import SEGMENTS
from pvhdbg.abi.segments.table import selector
from pvhdbg.views.pictures import graph
from pvhdbg.views.pictures.graph import Box, Line
from pvhdbg.views.rows import segment_rows, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.abi.segments.descriptor import Descriptor
    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.views.pictures.drawing import Drawing

MOST_ENTRIES = 6
"""The most entries of a GDT that the picture shows."""
_TITLE = "Segments: from a selector to the entry of the GDT"
_FLAGS = ("DPL", "P", "L", "D/B", "G")


def as_text(run: Document) -> list[str]:
    """Return the picture as lines of text."""
    return graph.as_text(boxes(run), _TITLE)


def draw(run: Document) -> Drawing:
    """Draw the picture."""
    return graph.draw(boxes(run), "segments", _TITLE)


def boxes(run: Document) -> list[Box]:
    """Return, for each of the two stops, a box for the registers and one for each entry of the GDT."""
    found = [box for number, stop in enumerate(_stops(run)) for box in _boxes(stop, 2 * number)]
    return found or [
        Box("none", "no segments", (Line("no stop of this run has segment registers"),), 0, is_missing=True)
    ]


def _stops(run: Document) -> list[Capture]:
    known = [stop for stop in run.stops if stop.registers.get("cs") is not None]
    others = (stop for stop in known[1:] if _gdtr(stop) != _gdtr(known[0]))
    return [*known[:1], *([other] if (other := next(others, None)) else [])]


def _gdtr(stop: Capture) -> tuple[int | None, ...]:
    return tuple(stop.registers.get(f"gdtr.{part}") for part in ("base", "limit"))


def _boxes(stop: Capture, column: int) -> Iterator[Box]:
    """Yield the boxes of a stop, in this column and the next one."""
    table = segment_rows.gdt(stop)
    numbers = [entry.number for entry in table.entries[:MOST_ENTRIES]]
    lines, loose = [], []
    for name in SEGMENTS:
        value, held = stop.registers.get(name), segment_rows.hidden_part(stop, name)
        if value is None or held is None:
            continue
        named = selector(value)
        key = f"{stop.stage} {named.number}"
        if named.number in numbers and segment_rows.from_entry(stop, table, name).startswith("from "):
            lines.append(Line(f"{name:3} {value:#6x}", key))
        else:
            key = f"{stop.stage} {name}"
            loose.append(Box(key, f"what {name} holds, from no entry", tuple(_fields(held)), column + 1))
            lines.append(Line(f"{name:3} {value:#6x}", key))
    heading = segment_rows.gdt_heading(stop) or "GDTR is not known"
    yield Box(f"{stop.stage} registers", f"selectors at {stop.stage}", (*lines, Line(heading)), column)
    for entry in table.entries[:MOST_ENTRIES]:
        title = f"gdt[{entry.number}] at {stop.stage}: selector {entry.selector:#x}"
        content = [Line("empty")] if entry.is_empty else [Line(_raw(entry.raw)), *_fields(entry.descriptor)]
        yield Box(f"{stop.stage} {entry.number}", title, tuple(content), column + 1)
    if len(table.entries) > MOST_ENTRIES:
        more = text.counted(len(table.entries) - MOST_ENTRIES, "more entry")
        yield Box(f"{stop.stage} more", f"gdt at {stop.stage}", (Line(f"… and {more}"),), column + 1)
    yield from loose


def _raw(raw: bytes) -> str:
    return f"{int.from_bytes(raw[:8], 'little'):#018x}"


def _fields(descriptor: Descriptor) -> Iterator[Line]:
    """Yield what a descriptor describes: the kind of segment, where it is, and its flags."""
    rights = f": {descriptor.rights}" if descriptor.rights else ""
    yield Line(f"{descriptor.kind}{rights}")
    yield Line(f"base {descriptor.base:#x}, last byte {descriptor.limit:#x}")
    yield Line(", ".join(f"{name} {descriptor.value(name)}" for name in _FLAGS))
