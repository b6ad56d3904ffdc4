"""What changed since the stop before: which rows that is about, and what was there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.record.compare import Absent, Change
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.views.report import diff_text
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.views.rows.row import Row

Before = Mapping[str, object]
"""The values before, by the paths of what changed."""

VIEWS = {
    "start_info": state.START_INFO,
    "pvh_start_info": state.START_INFO,
    "cmdline": state.START_INFO,
    "modules": state.MODULES,
    "memory_map": state.MEMORY,
    "e820_table": state.MEMORY,
    "boot_params": state.BOOT_PARAMS,
    "kernel_boot_params": state.BOOT_PARAMS,
}
"""Where each thing that a stop may hold is shown."""

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
    touched = _touched(ById(before))
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
        return f"was not there: {printable(old.reason)}"
    return f"was {diff_text.value(old, Change(row.path, old, None, row.fields[:1]))}"


def views(screen: Screen) -> frozenset[int]:
    """The views with something that is not what it was, apart from the CPU's, which never stays the same."""
    return frozenset(VIEWS[each] for each in _things(screen))


def news(screen: Screen) -> str:
    """What is new where the machine has come, and what changed there."""
    new, found, seen = _new_things(screen), _things(screen), screen.looked_at
    brought = [f"{each} (view {VIEWS[each]})" for each in new]
    changed = [f"{each} (view {VIEWS[each]})" for each in found if each not in new]
    findings = sum(each.new for each in screen.noted)
    if findings:
        brought.append(f"{text.counted(findings, 'finding')} (view {state.FINDINGS})")
    stage = seen.stage if seen else ""
    heads = (f"new at {stage}", brought), (f"changed at {stage}", changed)
    parts = (f"{head}: {', '.join(words)}" for head, words in heads if words)
    return "; ".join(parts) or f"nothing new in memory at {stage}"


def _things(screen: Screen) -> list[str]:
    """What there is now and was not there before, or not the same."""
    heads = {_PART.split(path, maxsplit=1)[0] for path in screen.before}
    new = _new_things(screen)
    return [each for each in VIEWS if each in new or (each in heads and getattr(screen.looked_at, each) is not None)]


def _new_things(screen: Screen) -> list[str]:
    """A copy that the kernel made is new, whatever is in it."""
    seen, before = screen.looked_at, stage_before(screen)
    if seen is None or before is None:
        return []
    return [each for each in VIEWS if getattr(seen, each) is not None and getattr(before, each) is None]


def stage_before(screen: Screen) -> Capture | None:
    """The stage before what is looked at."""
    if screen.past is not None:
        return screen.history[screen.past - 1] if screen.past else None
    earlier = [each for each in screen.history if each is not screen.now]
    return earlier[-1] if earlier else None


@lru_cache(16)
def _touched(before: ById[Before]) -> frozenset[str]:
    inside = (each for path in before.it for each in outer(path))
    return frozenset((*before.it, *inside))
