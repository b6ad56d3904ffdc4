"""Which row of a view a finding is about."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.record.compare import COPIES
from pvhdbg.checks.finding import INFO, SEVERITIES
from pvhdbg.tui.screen import changes
from pvhdbg.tui.screen.by_id import CACHED, ById

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pvhdbg.checks.finding import Finding
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.views.rows.row import Row

    Rows = tuple[Row, ...]

_COUNTERPARTS = {**COPIES, **{original: copy for copy, original in COPIES.items()}}
"""For each original structure the kernel's copy, and for each copy the original."""

_DEPENDENTS = {
    "start_info.cmdline_paddr": "boot_params.hdr.cmd_line_ptr",
    "start_info.rsdp_paddr": "boot_params.acpi_rsdp_addr",
    "start_info.version": "memory_map.protocol",
    "start_info.memmap_entries": "memory_map.nr_entries",
    "start_info.memmap_paddr": "memory_map.paddr",
    "modules[0].paddr": "boot_params.hdr.ramdisk_image",
    "modules[0].size": "boot_params.hdr.ramdisk_size",
}
"""What is made of boot data: what init_pvh_bootparams copies to boot_params, and how pvhdbg finds the memory map.

A defect of one is a defect of the other.
"""


def by_row(screen: Screen, rows: Rows) -> Mapping[int, tuple[Finding, ...]]:
    """Return the findings about each row, by the row's index."""
    return _by_row(ById(rows), ById(screen.findings))


@lru_cache(CACHED)
def _by_row(rows: ById[Rows], findings: ById[Sequence[Finding]]) -> Mapping[int, tuple[Finding, ...]]:
    by_index: dict[int, tuple[Finding, ...]] = {}
    for finding in findings.value:
        index = index_of(rows.value, finding.field)
        if index is None and finding.severity != INFO:
            index = index_of(rows.value, dependent_path(finding.field))
        if index is not None:
            by_index[index] = (*by_index.get(index, ()), finding)
    return by_index


def dependent_path(path: str) -> str:
    """Return the value that depends on the one at a path and is in another view; empty if there is none."""
    return _DEPENDENTS.get(path.removeprefix("pvh_"), "")


def index_of(rows: Rows, path: str) -> int | None:
    """Return the index of the row that shows the value at `path`.

    If no row shows it, return the first row of a value inside it, or otherwise the row of the nearest structure around
    it. None if there is no such row either.
    """
    indexes = _indexes(ById(rows))
    around = [name for outer in changes.outer(path) for name in _names(outer)]
    candidates = (*_names(path), *(f"{name}/" for name in _names(path)), *around)
    return next((indexes[name] for name in candidates if name in indexes), None)


@lru_cache(CACHED)
def _indexes(rows: ById[Rows]) -> Mapping[str, int]:
    """Return row indexes by path. The key `PATH/` has the index of the first row of a value inside PATH."""
    indexes: dict[str, int] = {}
    for index, row in enumerate(rows.value):
        for path in filter(None, changes.paths(row)):
            indexes.setdefault(path, index)
            for outer in changes.outer(path):
                indexes.setdefault(f"{outer}/", index)
    return indexes


def _names(path: str) -> tuple[str, ...]:
    """Return the path, and the same path in the structure's copy or original."""
    head, point, rest = path.partition(".")
    return (path, _COUNTERPARTS[head] + point + rest) if head in _COUNTERPARTS else (path,)


def worst(findings: Sequence[Finding]) -> Finding:
    """Return the most severe finding."""
    return min(findings, key=lambda finding: SEVERITIES.index(finding.severity))
