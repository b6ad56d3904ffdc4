"""Address translation as rows: the walks of important addresses, entry by entry, and what is mapped where.

Source: Intel SDM volume 3A, chapter 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.paging import NO_EXECUTE, PRESENT, USER, WRITABLE, mapped, walk
from pvhdbg.boot.stop import page_tables
from pvhdbg.errors import TargetError
from pvhdbg.views.rows import text
from pvhdbg.views.rows.row import NOTHING, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.abi.paging import Level, Paging, ReadPhys, Step
    from pvhdbg.boot.stop.capture import Capture

MAX_RANGES, MAX_TABLES = 128, 128
_FLAGS = ((WRITABLE, "writable"), (USER, "user"), (1 << 3, "write-through"), (1 << 4, "not cached"))
_USED = ((1 << 5, "accessed"), (1 << 6, "dirty"), (1 << 8, "global"), (NO_EXECUTE, "no execute"))


def paging_rows(capture: Capture, read: ReadPhys, address: int | None = None) -> list[Row]:
    """Return the walks, first that of `address`, and what is mapped. `read` reads the page tables."""
    paging = page_tables.paging_of(capture.registers)
    if paging is None:
        return [Row("", "paging", NOTHING, "a control register was not captured")]
    if not paging.on:
        return [Row("", "paging", "off", "every address is a physical address")]
    names = {"address": address} if address is not None else {}
    walks = {**names, **page_tables.wanted(capture)}
    rows = [row for name, vaddr in walks.items() for row in walk_rows(read, paging, name, vaddr)]
    return [
        *rows,
        Row("", "mapped", f"from CR3 {paging.cr3:#x}", "virtual and physical addresses"),
        *_mapped(read, paging),
    ]


def walk_rows(read: ReadPhys, paging: Paging, name: str, vaddr: int) -> Iterator[Row]:
    """Yield a row for the address and one for each entry that the processor reads to translate it."""
    try:
        found = walk(read, paging, vaddr)
    except TargetError as error:
        yield Row("", name, f"{vaddr:#x}", f"no walk: {error}")
        return
    where = "not mapped" if found.paddr is None else f"is physical {found.paddr:#x}"
    yield Row("", name, f"{vaddr:#x}", where, leads_to=found.paddr)
    for level, step in zip(paging.levels(), found.steps, strict=False):
        yield _step_row(level, step, vaddr, is_last=step is found.steps[-1])


def _step_row(level: Level, step: Step, vaddr: int, *, is_last: bool) -> Row:
    index = vaddr >> level.shift & (1 << level.bits) - 1
    if not step.entry & PRESENT:
        return Row("", f"{level.name}[{index}]", f"{step.entry:#x}", "not present", step.paddr, depth=1)
    target = level.table_at(step.entry)
    if is_last:
        target = target >> level.shift << level.shift
    what = f"{text.size(1 << level.shift)} page at {target:#x}" if is_last else f"table at {target:#x}"
    words = ", ".join((what, *_flags(step.entry)))
    return Row("", f"{level.name}[{index}]", f"{step.entry:#x}", words, step.paddr, depth=1, leads_to=target)


def _flags(entry: int) -> Iterator[str]:
    yield from (name for mask, name in (*_FLAGS, *_USED) if entry & mask)


def _mapped(read: ReadPhys, paging: Paging) -> Iterator[Row]:
    ranges = mapped(read, paging, MAX_TABLES)
    for count, one in enumerate(ranges):
        if count == MAX_RANGES:
            yield Row("", "…", NOTHING, f"more than {MAX_RANGES} ranges")
            return
        name = f"{one.vaddr:#x}-{one.vaddr + one.size:#x}"
        if one.paddr is None:
            yield Row("", name, NOTHING, "the table for these addresses was not captured", depth=1)
            continue
        rights = ("writable" if one.rights & WRITABLE else "read-only", *(("user",) if one.rights & USER else ()))
        execute = "no execute" if one.rights & NO_EXECUTE else "executable"
        words = f"{text.size(one.size)} in {text.size(one.page)} pages, {', '.join((*rights, execute))}"
        yield Row("", name, f"{one.paddr:#x}", words, depth=1, leads_to=one.paddr)
