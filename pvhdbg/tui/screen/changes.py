"""What changed since the previous stop: which rows, and their old values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.record.compare import Absent, Change
from pvhdbg.lazy_pattern import pattern
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.views.report import diff_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.views.rows.row import Row

Before = Mapping[str, object]
"""The old value of everything that changed, by path."""

_SEPARATOR = pattern(r"[.\[]")


def outer(path: str) -> Iterator[str]:
    """Yield the paths of the structures around a value, innermost first: `a.b[1]`, `a.b` and `a` for `a.b[1].c`."""
    for separator in reversed(list(_SEPARATOR.finditer(path))):
        yield path[: separator.start()]


def top_key(path: str) -> str:
    """Return the capture key in a path: `a` for `a.b[1].c`."""
    return _SEPARATOR.split(path, maxsplit=1)[0]


def paths(row: Row) -> Iterator[str]:
    """Yield the paths of all fields in a row: several if the row stands for a run of folded fields."""
    if row.folded:
        parent = row.path.rpartition(".")[0]
        yield from (f"{parent}.{field.name}" for field in row.fields)
    else:
        yield row.path


def is_marked(row: Row, before: Before) -> bool:
    """Return whether the row, or a value inside it, changed."""
    touched = _touched(ById(before))
    return any(path in touched for path in paths(row))


def is_shown(row: Row, before: Before) -> bool:
    """Return whether the row is visible in the changes-only view (key `d`).

    A row is visible if it changed or belongs to a new structure.
    """
    return is_marked(row, before) or is_new(row.path, before)


def is_new(path: str, before: Before) -> bool:
    return any(isinstance(before.get(name), Absent) for name in (path, *outer(path)))


def old_value(row: Row, before: Before) -> str:
    """Describe the row's old value in words. Return "" if the row did not change or stands for several values."""
    if row.path not in before:
        return ""
    old = before[row.path]
    if isinstance(old, Absent):
        return f"was not there: {printable(old.reason)}"
    return f"was {diff_text.value(old, Change(row.path, old, None, row.fields[:1]))}"


def stage_before(screen: Screen) -> Capture | None:
    """Return the capture of the stage before the displayed one; in a trace, the capture one instruction before."""
    if screen.moment is not None:
        return screen.moment.before
    if screen.past is not None:
        return screen.history[screen.past - 1] if screen.past else None
    earlier = [capture for capture in screen.history if capture is not screen.now]
    return earlier[-1] if earlier else None


@lru_cache(16)
def _touched(before: ById[Before]) -> frozenset[str]:
    """Return the changed paths and the paths of all structures around them."""
    around = (name for path in before.value for name in outer(path))
    return frozenset((*before.value, *around))
