"""Which row a finding is about, and in which view it is."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.record.compare import COPIES
from pvhdbg.checks.finding import SEVERITIES
from pvhdbg.tui.screen import changes, state, view_rows
from pvhdbg.tui.screen.by_id import ById

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pvhdbg.checks.finding import Finding
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.screen.view_rows import Rows

SEARCHED = (state.START_INFO, state.MODULES, state.MEMORY, state.BOOT_PARAMS, state.CPU)

_OTHERS = {**COPIES, **{original: copy for copy, original in COPIES.items()}}


def by_row(screen: Screen, rows: Rows) -> Mapping[int, tuple[Finding, ...]]:
    """The findings about each row, by its index."""
    return _by_row(ById(rows), ById(screen.findings))


@lru_cache(view_rows.KEPT)
def _by_row(rows: ById[Rows], findings: ById[Sequence[Finding]]) -> Mapping[int, tuple[Finding, ...]]:
    found: dict[int, tuple[Finding, ...]] = {}
    for each in findings.it:
        index = index_of(rows.it, each.field)
        if index is not None:
            found[index] = (*found.get(index, ()), each)
    return found


def index_of(rows: Rows, path: str) -> int | None:
    """The row that shows what has this path; without such a row the first in it, or else what it is in."""
    places = _places(ById(rows))
    outer = [name for each in changes.outer(path) for name in _names(each)]
    candidates = (*_names(path), *(f"{each}/" for each in _names(path)), *outer)
    return next((places[each] for each in candidates if each in places), None)


@lru_cache(view_rows.KEPT)
def _places(rows: ById[Rows]) -> Mapping[str, int]:
    """Rows by path; by a path and a slash the first row of what has that path."""
    places: dict[str, int] = {}
    for index, row in enumerate(rows.it):
        for path in filter(None, changes.paths(row)):
            places.setdefault(path, index)
            for outer in changes.outer(path):
                places.setdefault(f"{outer}/", index)
    return places


def _names(path: str) -> tuple[str, ...]:
    """The copy of a structure stands for the original, and the other way round."""
    head, point, rest = path.partition(".")
    return (path, _OTHERS[head] + point + rest) if head in _OTHERS else (path,)


def place(screen: Screen, path: str) -> tuple[int, int] | None:
    """The view and the row that show what has this path."""
    for view in SEARCHED:
        index = index_of(view_rows.of_capture(screen, view), path) if path else None
        if index is not None:
            return view, index
    return None


def worst(findings: Sequence[Finding]) -> Finding:
    """The one to name where there is room for one."""
    return min(findings, key=lambda each: SEVERITIES.index(each.severity))
