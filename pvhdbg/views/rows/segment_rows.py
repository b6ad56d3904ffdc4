"""Segments as rows: the hidden part of each segment register, and the entries of the GDT, field by field.

Source: Intel SDM volume 3A, 3.4 and 3.5.
"""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import EFER_LMA, SEGMENTS
from pvhdbg.abi.paging import walk
from pvhdbg.abi.segments.descriptor import FIELDS, SIZE, hidden
from pvhdbg.abi.segments.table import entries, selector
from pvhdbg.boot.stop import page_tables
from pvhdbg.boot.stop.evidence import MAX_GDT
from pvhdbg.errors import TargetError
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.rows import text
from pvhdbg.views.rows.row import NOTHING, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.abi.segments.descriptor import Descriptor, DescriptorField
    from pvhdbg.abi.segments.table import Entry
    from pvhdbg.boot.stop.capture import Capture

GDT = "gdt"
_IN_HEX = ("base", "limit", "type")
_PAGE = 0x1000
_ACCESSED = 1 << 8
"""The bit of the flags that the CPU sets when it loads a code or data segment."""


class Gdt(NamedTuple):
    """The GDT as it was captured: its physical address, and its entries. Without entries, `why` is the reason."""

    paddr: int | None
    entries: tuple[Entry, ...]
    why: str = ""


def gdt(capture: Capture) -> Gdt:
    """Return the GDT that GDTR points to, as far as it was captured."""
    base, limit = (capture.registers.get(f"gdtr.{part}") for part in ("base", "limit"))
    if base is None or limit is None:
        return Gdt(None, (), "GDTR is not known")
    if limit < SIZE - 1:
        return Gdt(None, (), "GDTR has no table")
    paging = page_tables.paging_of(capture.registers)
    try:
        paddr = None if paging is None else walk(page_tables.of_capture(capture), paging, base).paddr
    except TargetError:
        paddr = None
    if paddr is None:
        return Gdt(None, (), "its address is not mapped, or was not captured")
    end = min(limit + 1, MAX_GDT, _PAGE - paddr % _PAGE if paging and paging.on else MAX_GDT)
    data = next(filter(None, map(partial(capture.bytes_at, paddr), range(end, SIZE - 1, -1))), b"")
    is_long = bool((capture.registers.get("efer") or 0) & EFER_LMA)
    return Gdt(paddr, tuple(entries(data, is_long=is_long)), "" if data else "its memory was not captured")


def hidden_part(capture: Capture, name: str) -> Descriptor | None:
    """Return what a segment register holds beside its selector; None if the monitor did not report it."""
    base, limit, flags = (capture.registers.get(f"{name}.{part}") for part in ("base", "limit", "flags"))
    return None if base is None or limit is None or flags is None else hidden(base, limit, flags)


def from_entry(capture: Capture, table: Gdt, name: str) -> str:
    """Describe which entry of the GDT a segment register names, and whether it still holds what the entry has."""
    value, loaded = capture.registers.get(name), hidden_part(capture, name)
    if value is None or loaded is None or not table.entries:
        return ""
    named = selector(value)
    if named.is_null:
        return ""
    if named.is_local:
        return f"from ldt[{named.number}]"
    entry = next((entry for entry in table.entries if entry.number == named.number), None)
    if entry is None:
        is_inside = named.number * SIZE < _limit(capture)
        return (
            f"from {GDT}[{named.number}], not captured" if is_inside else f"(now beyond the GDT: {GDT}[{named.number}])"
        )
    if _is_same(entry.descriptor, loaded, has_own_base=name in ("fs", "gs")):
        return f"from {GDT}[{named.number}]"
    return f"({GDT}[{named.number}] is now {'empty' if entry.is_empty else entry.descriptor.kind})"


def gdt_heading(capture: Capture) -> str:
    """Return where the GDT is, and how many entries it has or why they are missing; empty if GDTR is not known."""
    table, base = gdt(capture), capture.registers.get("gdtr.base")
    if base is None:
        return ""
    if not table.entries:
        return f"GDT at {base:#x}: {table.why}"
    size = _limit(capture)
    is_whole = sum(len(entry.raw) for entry in table.entries) >= size - size % SIZE
    more = "" if is_whole else f", the first {len(table.entries)} of them"
    return f"GDT at {base:#x}: {text.counted(size // SIZE, 'entry')}{more}"


def gdt_rows(capture: Capture) -> Iterator[Row]:
    """Yield a heading, and a row for each entry of the GDT."""
    if heading := gdt_heading(capture):
        yield Row("", heading, NOTHING)
    table = gdt(capture)
    yield from (_entry_row(capture, table, entry, name) for entry, name in _named(table))


def _named(table: Gdt) -> Iterator[tuple[Entry, str]]:
    """Yield the entries with their numbers in brackets. Consecutive empty entries are one: `[7]-[15]`."""
    for is_empty, group in groupby(table.entries, lambda entry: entry.is_empty):
        run = [*group]
        if is_empty:
            last = f"-[{run[-1].number}]" if len(run) > 1 else ""
            yield run[0], f"[{run[0].number}]{last}"
        else:
            yield from ((entry, f"[{entry.number}]") for entry in run)


def gdt_cells(capture: Capture) -> Iterator[tuple[str, ...]]:
    """Yield the head of a table, and a line for each entry of the GDT with all its fields."""
    table = gdt(capture)
    if table.entries:
        yield ("", "selector", "kind", *(field.name for field in FIELDS), "last byte", "in use by")
    for entry, name in _named(table):
        one = entry.descriptor
        values = (f"{one.value(field.name):{'#x' if field.name in _IN_HEX else 'd'}}" for field in FIELDS)
        rest = ("empty",) if entry.is_empty else (one.kind, *values, f"{one.limit:#x}", _users(capture, entry))
        yield (name, f"{entry.selector:#x}", *rest)


def _entry_row(capture: Capture, table: Gdt, entry: Entry, name: str) -> Row:
    paddr, users = (table.paddr or 0) + entry.number * SIZE, _users(capture, entry)
    value = f"{int.from_bytes(entry.raw[:SIZE], 'little'):#018x}"
    used = f"; in use by {users}" if users else ""
    meaning = "empty" if entry.is_empty else f"{brief(entry.descriptor)}{used}"
    return Row(f"{GDT}[{entry.number}]", f"{GDT}{name}", value, meaning, paddr, raw=entry.raw, leads_to=paddr)


def _users(capture: Capture, entry: Entry) -> str:
    """Return the segment registers whose selectors name an entry."""
    return ", ".join(name for name in SEGMENTS if _names(capture.registers.get(name), entry))


def _names(value: int | None, entry: Entry) -> bool:
    return value is not None and not selector(value).is_null and value & ~3 == entry.selector


def brief(descriptor: Descriptor) -> str:
    """Return the fields of a descriptor on one line: the kind of segment, where it is, and what it allows."""
    rights = f": {descriptor.rights}" if descriptor.rights else ""
    return (
        f"{descriptor.kind}{rights}, base {descriptor.base:#x}, limit {descriptor.limit:#x}, "
        f"DPL {descriptor.value('DPL')}"
    )


def in_full(descriptor: Descriptor) -> str:
    """Return all fields of a descriptor, with what their values mean."""
    words = {"type": descriptor.rights or descriptor.kind, "limit": f"the last byte is {descriptor.limit:#x}"}
    return f"{'; '.join(_field(descriptor, field, words.get(field.name, '')) for field in FIELDS)}."


def _field(descriptor: Descriptor, field: DescriptorField, words: str) -> str:
    value = descriptor.value(field.name)
    meaning = words or (field.values[value] if field.values else "")
    return f"{field.name} {value:{'#x' if field.name in _IN_HEX else 'd'}}" + (f": {meaning}" if meaning else "")


def fields_of(capture: Capture, path: str) -> str:
    """Explain the fields of the descriptor that a row shows; empty if the row shows none."""
    head, _, name = path.partition(".")
    if head == "registers" and name in SEGMENTS:
        loaded = hidden_part(capture, name)
        return "" if loaded is None else in_full(loaded)
    entry = next((entry for entry in gdt(capture).entries if path == f"{GDT}[{entry.number}]"), None)
    return "" if entry is None else in_full(entry.descriptor)


def _limit(capture: Capture) -> int:
    """Return the size of the GDT in bytes."""
    return (capture.registers.get("gdtr.limit") or -1) + 1


def _is_same(entry: Descriptor, loaded: Descriptor, *, has_own_base: bool) -> bool:
    """Compare an entry with a register, which may have been loaded before the CPU set the bit `accessed` there.

    The bases of FS and GS (`has_own_base`) may come from an MSR.
    """
    pair = (entry, loaded)
    if not has_own_base and entry.base != loaded.base:
        return False
    flags = {one.flags | (0 if one.is_system else _ACCESSED) for one in pair}
    return entry.limit == loaded.limit and len(flags) == 1
