"""What the kernel made, as lines of text: boot_params, the kernel's copy of it, and the e820 table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.views.report import tables
from pvhdbg.views.rows import boot_params_rows, map_rows, text
from pvhdbg.views.rows.stop import why_not

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.boot.stop.capture import MapRecord
    from pvhdbg.views.rows.row import Row
    from pvhdbg.views.rows.stop import Stop


def boot_params(stop: Stop) -> Iterator[str]:
    found = stop.seen.boot_params
    if found is None:
        yield from why_not(stop, "boot_params", "pvh_bootparams")
        return
    yield f"  struct boot_params pvh_bootparams at {text.address(found.at)}"
    yield from _set_fields(boot_params_rows.boot_params_rows(stop.seen, handed_over=stop.handed_over))
    yield from _e820(stop, "its e820_table", found.e820_table[: found.e820_entries])


def _set_fields(tree: Sequence[Row]) -> Iterator[str]:
    """The fields that are not 0, by their paths inside the structure; the map's entries have a table of their own."""
    leaves = [row for row in tree if _is_leaf(row) and not row.is_zero]
    rows = [row._replace(depth=0, name=row.path.partition(".")[2]) for row in leaves]
    yield from tables.field_table(rows)
    yield f"    all other fields are 0{', apart from e820_table' if any(_is_map(row) for row in tree) else ''}"


def _is_leaf(row: Row) -> bool:
    return bool(row.fields) and bool(row.value) and row.fields[0].owner is not BootE820Entry


def _is_map(row: Row) -> bool:
    return row.fields == (BootParams.e820_table,) and not row.is_zero


def kernel_boot_params(stop: Stop) -> Iterator[str]:
    found, before = stop.seen.kernel_boot_params, stop.before
    if found is None:
        yield from why_not(stop, "kernel_boot_params", "boot_params")
        return
    where = f"  boot_params at {text.address(found.at)}"
    source, name = _source(stop)
    if before and before.kernel_boot_params == found:
        return
    if source is None:
        yield where
        tree = boot_params_rows.boot_params_rows(stop.seen, "kernel_boot_params", handed_over=stop.handed_over)
        yield from _set_fields(tree)
        yield from _e820(stop, "its e820_table", found.e820_table[: found.e820_entries])
    elif source.raw == found.raw:
        yield f"{where}: equal to {name}, byte for byte"
    else:
        yield f"{where}: differs from {name}"
        yield from _differences(stop, source)


def _source(stop: Stop) -> tuple[BootParams | None, str]:
    """What boot_params should still be equal to: itself at the stop before, else pvh_bootparams."""
    for each in reversed(stop.earlier):
        if each.kernel_boot_params:
            return each.kernel_boot_params, f"itself at stage {each.stage}"
        if each.boot_params:
            return each.boot_params, "pvh_bootparams"
    return None, ""


def _differences(stop: Stop, source: BootParams) -> list[str]:
    key = boot_params_rows.KERNEL_COPY
    now = boot_params_rows.boot_params_rows(stop.seen, key, handed_over=stop.handed_over)
    then = boot_params_rows.boot_params_rows(stop.seen._replace(kernel_boot_params=source), key)
    old = {row.path: row for row in then}
    rows = [
        row._replace(depth=0, name=row.path.partition(".")[2], value=f"{_value(old.get(row.path))} -> {row.value}")
        for row in now
        if row.fields and row.value and _value(old.get(row.path)) != row.value
    ]
    return tables.field_table(rows)


def _value(row: Row | None) -> str:
    return row.value if row else "-"


def e820_table(stop: Stop) -> Iterator[str]:
    found = stop.seen.e820_table
    if found is None:
        yield from why_not(stop, "e820_table", "e820_table")
        return
    cut = stop.seen.missing.get("e820_table")
    name = f"e820_table at {text.address(found.paddr)}" + (f" ({cut})" if cut else "")
    yield from _e820(stop, name, found.entries)


def _e820(stop: Stop, name: str, entries: Sequence[MapRecord]) -> Iterator[str]:
    given = stop.handed_over.memory_map
    if given is None:
        yield f"  {name}: {map_rows.summary(entries)}"
        yield from tables.map_table(entries)
        return
    yield f"  {name}: {map_rows.summary(entries)}   (= was handed over, + was not, - was and is gone)"
    yield from tables.compared_map(entries, given.entries)
