"""The kernel's own structures as lines of text: pvh_bootparams, boot_params and e820_table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.views.report import tables
from pvhdbg.views.rows import boot_params_rows, map_rows, text
from pvhdbg.views.rows.missing import missing_line
from pvhdbg.views.rows.row import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.boot.stop.capture import MapRecord
    from pvhdbg.boot.stop.stop import Stop
    from pvhdbg.views.rows.row import Row


def boot_params(stop: Stop) -> Iterator[str]:
    record = stop.capture.boot_params
    if record is None:
        yield missing_line(stop.capture, "boot_params", "pvh_bootparams")
        return
    yield f"  struct boot_params pvh_bootparams at {text.address(record.at)}"
    yield from _set_fields(boot_params_rows.boot_params_rows(stop.capture, boot_data=stop.latest_with_map))
    yield from _e820(stop, "pvh_bootparams.e820_table", record.e820_table[: record.e820_entries])


def _set_fields(tree: Sequence[Row]) -> Iterator[str]:
    """Yield the fields that are not 0, named by their paths, except the e820 entries, which have their own table."""
    leaves = [row for row in tree if _is_leaf(row) and not row.is_zero]
    rows = [row._replace(depth=0, name=row.path.partition(".")[2]) for row in leaves]
    yield from tables.field_table(rows)
    yield f"    all other fields{' (except e820_table)' if any(_is_used_map(row) for row in tree) else ''} are 0"


def _is_leaf(row: Row) -> bool:
    return bool(row.fields) and bool(row.value) and row.fields[0].owner is not BootE820Entry


def _is_used_map(row: Row) -> bool:
    return row.fields == (BootParams.e820_table,) and not row.is_zero


def kernel_boot_params(stop: Stop) -> Iterator[str]:
    record, before = stop.capture.kernel_boot_params, stop.before
    if record is None:
        yield missing_line(stop.capture, "kernel_boot_params", "boot_params")
        return
    head = f"  boot_params at {text.address(record.at)}"
    original, name = _original(stop)
    if before and before.kernel_boot_params == record:
        return
    if original is None:
        yield head
        tree = boot_params_rows.boot_params_rows(stop.capture, "kernel_boot_params", boot_data=stop.latest_with_map)
        yield from _set_fields(tree)
        yield from _e820(stop, "boot_params.e820_table", record.e820_table[: record.e820_entries])
    elif original.raw == record.raw:
        yield f"{head}: identical to {name}"
    else:
        yield f"{head}: differs from {name}"
        yield from _differences(stop, original)


def _original(stop: Stop) -> tuple[BootParams | None, str]:
    """Return what boot_params should equal, and the name of that: boot_params at an earlier stop, or pvh_bootparams."""
    for capture in reversed(stop.earlier):
        if capture.kernel_boot_params:
            return capture.kernel_boot_params, f"boot_params at stage {capture.stage}"
        if capture.boot_params:
            return capture.boot_params, "pvh_bootparams"
    return None, ""


def _differences(stop: Stop, original: BootParams) -> list[str]:
    key = boot_params_rows.KERNEL_COPY
    now = boot_params_rows.boot_params_rows(stop.capture, key, boot_data=stop.latest_with_map)
    then = boot_params_rows.boot_params_rows(stop.capture._replace(kernel_boot_params=original), key)
    old = {row.path: row for row in then}
    rows = [
        row._replace(depth=0, name=row.path.partition(".")[2], value=f"{_value(old.get(row.path))} -> {row.value}")
        for row in now
        if row.fields and row.value and _value(old.get(row.path)) != row.value
    ]
    return tables.field_table(rows)


def _value(row: Row | None) -> str:
    return row.value if row else NOTHING


def e820_table(stop: Stop) -> Iterator[str]:
    table = stop.capture.e820_table
    if table is None:
        yield missing_line(stop.capture, "e820_table", "e820_table")
        return
    cut = stop.capture.missing.get("e820_table")
    name = f"e820_table at {text.address(table.paddr)}" + (f" ({cut})" if cut else "")
    yield from _e820(stop, name, table.entries)


def _e820(stop: Stop, name: str, entries: Sequence[MapRecord]) -> Iterator[str]:
    memory_map = stop.latest_with_map.memory_map
    if memory_map is None:
        yield f"  {name}: {map_rows.summary(entries)}"
        yield from tables.map_table(entries)
        return
    yield f"  {name}: {map_rows.summary(entries)}   (compared with the memory map: = same, + new, - removed)"
    yield from tables.map_changes(entries, memory_map.entries)
