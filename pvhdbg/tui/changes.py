"""What changed since the stop before: which rows that is about, and what was there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.compare import Absent, Change
from pvhdbg.tui.kept import Same
from pvhdbg.views import diff_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.views.rows import Row

Before = Mapping[str, object]
"""The values before, by the paths of what changed."""

_PART = re.compile(r"[.\[]")


def outer(path: str) -> Iterator[str]:
    """The paths of what a value is in, from the inside: `a.b[1]` and `a` for `a.b[1].c`, and `a.b`."""
    for found in reversed(list(_PART.finditer(path))):
        yield path[: found.start()]


def paths(row: Row) -> Iterator[str]:
    """The paths of all that a row stands for: a run of folded fields is one row."""
    if row.folded:
        parent = row.path.rpartition(".")[0]
        yield from (f"{parent}.{each.name}" for each in row.fields)
    else:
        yield row.path


def is_marked(row: Row, before: Before) -> bool:
    """Whether the row, or something in it, is not what it was."""
    touched = _touched(Same(before))
    return any(path in touched for path in paths(row))


def is_shown(row: Row, before: Before) -> bool:
    """Whether the row is among what changed: also all of a structure that was not there before."""
    return is_marked(row, before) or is_new(row.path, before)


def is_new(path: str, before: Before) -> bool:
    return any(isinstance(before.get(each), Absent) for each in (path, *outer(path)))


def was(row: Row, before: Before) -> str:
    """What was there, in words; the empty string if that is not known, or is many values."""
    if row.path not in before:
        return ""
    old = before[row.path]
    if isinstance(old, Absent):
        return f"not there: {printable(old.reason)}"
    return f"was {diff_text.value(old, Change(row.path, old, None, row.fields[:1]))}"


@lru_cache(16)
def _touched(before: Same[Before]) -> frozenset[str]:
    inside = (each for path in before.it for each in outer(path))
    return frozenset((*before.it, *inside))
