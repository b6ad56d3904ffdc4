"""bytes: memory as hex, at the address that Enter or `:` went to."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PG
from pvhdbg.abi.text import printable
from pvhdbg.tui.lines import classes
from pvhdbg.tui.screen import memory_at
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.screen.state import MemoryRequest
from pvhdbg.tui.views.view import BreakpointPlace
from pvhdbg.views.rows import text
from pvhdbg.views.rows.row import Row

if TYPE_CHECKING:
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Bytes, Screen
    from pvhdbg.tui.views.view import Rows

BYTES_PER_ROW = 16
END_OF_MEMORY = 1 << 52
"""One past the highest physical address that x86 can have."""
_LEAST_POINTER = 0x400
"""Below are the interrupt vectors of real mode. A smaller number is a count or a flag."""


def rows(screen: Screen) -> Rows:
    end = memory_at.end_of_ram(screen)
    return _rows(ById(screen.bytes), END_OF_MEMORY if end is None else end)


@lru_cache(8)
def _rows(memory: ById[Bytes], end: int) -> Rows:
    """Return the rows. Only a number below `end` can be a pointer."""
    return tuple(_row(memory.value, offset, end) for offset in range(0, len(memory.value.data or b""), BYTES_PER_ROW))


def _row(memory: Bytes, offset: int, end: int) -> Row:
    chunk, start = (memory.data or b"")[offset : offset + BYTES_PER_ROW], memory.paddr + offset
    pointer = _pointer(memory, offset, end)
    return Row("", text.address(start), chunk.hex(" "), printable(chunk), start, raw=chunk, leads_to=pointer)


def _pointer(memory: Bytes, offset: int, end: int) -> int | None:
    """Return the u64 at the selected byte, or at the start of the row if the selection is elsewhere.

    None if it cannot be the address of memory.
    """
    selected = memory.selected[0] - memory.paddr
    start = selected if offset <= selected < offset + BYTES_PER_ROW else offset
    raw = (memory.data or b"")[start:][:8]
    value = int.from_bytes(raw, "little")
    return value if _LEAST_POINTER <= value < min(end, END_OF_MEMORY) and len(raw) == 8 else None


def heading(screen: Screen) -> str:
    """Name the place that was asked for, in all ways that are known. It may be inside a row."""
    memory = screen.bytes
    paddr = memory.selected[0] if any(memory.selected) else memory.paddr
    virtual = f", {text.address(memory.vaddr)} virtual" if memory.vaddr is not None else ""
    name = f"   {memory.name}" if memory.name else ""
    unusual = memory_at.describe_unusual(screen, memory.paddr + screen.position.cursor * BYTES_PER_ROW)
    return f"{text.address(paddr)} physical{f'   {unusual}' if unusual else ''}{virtual}{name}"


def empty(screen: Screen) -> str:
    return screen.bytes.why or "no address yet: press Enter on a pointer, or : to enter an address"


def draw(screen: Screen, _rows: Rows, shown: range, width: int) -> list[Line]:
    """Draw 16 bytes per line: physical address, virtual address if it is known and fits, hex, and characters."""
    columns = _address_columns(screen.bytes, width)
    return [_line(screen.bytes, index * BYTES_PER_ROW, columns) for index in shown]


def _address_columns(memory: Bytes, width: int) -> tuple[int, int]:
    """Return the widths of the physical and the virtual address; 0 for a virtual one that is unknown or too wide."""
    size = len(memory.data or b"")
    physical = len(text.address(memory.paddr + size))
    virtual = 0 if memory.vaddr is None else len(text.address(_first_vaddr(memory) + size)) + 2
    return physical, virtual if physical + virtual + 70 <= width else 0


def _first_vaddr(memory: Bytes) -> int:
    """Return the virtual address of `memory.paddr`. The selected bytes are at `memory.vaddr`."""
    return (memory.vaddr or 0) - (memory.selected[0] - memory.paddr if memory.selected[0] else 0)


def _line(memory: Bytes, offset: int, columns: tuple[int, int]) -> Line:
    chunk = (memory.data or b"")[offset : offset + BYTES_PER_ROW]
    address = text.address(memory.paddr + offset).rjust(columns[0])
    virtual = text.address(_first_vaddr(memory) + offset).rjust(columns[1]) if columns[1] else ""
    if memory_at.has_no_memory(memory, memory.paddr + offset, len(chunk)):
        return [(classes.ADDRESS, f"{address}{virtual} "), (classes.EMPTY, f" {'-- ' * len(chunk)}no memory")]
    return [
        (classes.ADDRESS, f"{address}{virtual} "),
        *_hex(memory, offset, chunk),
        (classes.CHARACTERS, " " + "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in chunk)),
    ]


def _hex(memory: Bytes, offset: int, chunk: bytes) -> Line:
    """Draw the bytes, with brackets around the selected ones."""
    start, end = (address - memory.paddr - offset for address in memory.selected)
    low, high = max(start, 0), min(end, len(chunk))
    blank = " " * 3 * (BYTES_PER_ROW - len(chunk))
    if low >= high:
        return [(classes.BYTES, f" {chunk.hex(' ')} {blank}")]
    before, inside, after = chunk[:low].hex(" "), chunk[low:high].hex(" "), chunk[high:].hex(" ")
    return [
        (classes.BYTES, f" {before}" if before else ""),
        (classes.BYTES_SELECTED, f"[{inside}]"),
        (classes.BYTES, f"{after} {blank}" if after else blank),
    ]


def first_place(screen: Screen, row: Row | None) -> str | None:
    """Return what to show if the selected row has no address: where it leads or, if nothing is shown yet, RIP's code.

    None if the bytes that are shown already stay.
    """
    if row is not None and row.leads_to is not None:
        return f"p {row.leads_to:#x}"
    rip = screen.capture.rip if screen.capture else None
    return None if rip is None or screen.bytes.data or screen.bytes.why else f"v {rip:#x}"


def past_end(screen: Screen, count: int) -> Screen:
    """Move the cursor to the first or last row or, if it is already there, read the memory before or after that row."""
    end = 0 if count < 0 else max(len(rows(screen)) - 1, 0)
    start = min(max(screen.bytes.paddr + count * BYTES_PER_ROW, 0), END_OF_MEMORY)
    if screen.position.cursor != end or start == screen.bytes.paddr:
        return screen.at(end)
    return screen._replace(memory_request=MemoryRequest("", 0, start))


def breakpoint_place(screen: Screen, _index: int) -> BreakpointPlace:
    """Return the virtual address of the selected bytes.

    The virtual address of a physical address is known only while paging is off.
    """
    memory, cr0 = screen.bytes, screen.now.registers.get("cr0") if screen.now else None
    if memory.vaddr is not None:
        return BreakpointPlace(memory.vaddr)
    if memory.selected != (0, 0) and cr0 is not None and not cr0 & CR0_PG:
        return BreakpointPlace(memory.selected[0])
    return BreakpointPlace(refusal="no virtual address selected: go to one with `:`, for example `v 0x…` or a symbol")
