"""From the map in boot_params to the kernel's e820_table: sorted, each byte of one type, neighbours joined.

Source: Linux arch/x86/kernel/e820.c, e820__memory_setup_default and e820__update_table. Written anew: where a byte is
claimed twice the larger type wins, which needs no list of what overlaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import RAM, ZERO_PAGE_ENTRIES, BootE820Entry
from pvhdbg.abi.layout import records

if TYPE_CHECKING:
    from pvhdbg.boot.model.kernel_behavior import KernelBehavior

LOW_MEMORY, HIGH_MEMORY = 0x9F000, 0x100000
"""What a kernel makes do with that has no usable map: the first of it, and whatever boot_params says is above 1 MiB."""

# A range of these types may end where a device does: PRAM and SOFT_RESERVED.
NEVER_JOINED = (12, 0xEFFFFFFF)
TOP = 1 << 64


class Range(NamedTuple):
    """An entry of the table: where it begins, its length in bytes, its type."""

    addr: int
    size: int
    type: int

    @property
    def end(self) -> int:
        return self.addr + self.size


def listed(params: BootParams) -> tuple[Range, ...] | None:
    """The entries that e820_entries counts, also those behind the table's 128; null if they leave the structure."""
    start = BootParams.e820_table.offset
    end = start + params.e820_entries * BootE820Entry.SIZE
    if end > BootParams.SIZE:
        return None
    return tuple(Range(each.addr, each.size, each.type) for each in records(BootE820Entry, params.raw[start:end], None))


def expected_e820_table(params: BootParams, rules: KernelBehavior) -> tuple[Range, ...] | None:
    """What e820__memory_setup should make of boot_params; null where that is not known."""
    given = listed(params)
    least = rules.fewest_entries
    capacity = rules.capacity or ZERO_PAGE_ENTRIES
    if given is None or (least is None and len(given) == 1) or (rules.capacity is None and len(given) > capacity):
        return None
    if len(given) < (least or 1) or any(each.end > TOP for each in given):
        given = _without_map(params)
    return _updated(given[:capacity])[:capacity]


def _without_map(params: BootParams) -> tuple[Range, ...]:
    above = max(params.alt_mem_k, params.screen_info.ext_mem_k)
    return Range(0, LOW_MEMORY, RAM), Range(HIGH_MEMORY, above << 10, RAM)


def _updated(table: Sequence[Range]) -> tuple[Range, ...]:
    """A table of one entry, or with one that ends at the end of all addresses, stays as it is."""
    if len(table) < 2 or any(each.end == TOP for each in table):
        return tuple(table)
    return tuple(_joined([each for each in table if each.size]))


def _joined(table: Sequence[Range]) -> Iterator[Range]:
    """Between two neighbouring edges a single type holds; a range grows for as long as it does."""
    start, last = 0, 0
    for edge in sorted({edge for each in table for edge in (each.addr, each.end)}):
        now = max((each.type for each in table if each.addr <= edge < each.end), default=0)
        if now == last and now not in NEVER_JOINED:
            continue
        if last:
            yield Range(start, edge - start, last)
        start, last = edge, now
