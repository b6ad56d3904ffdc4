"""What is new at the displayed stop: the capture keys that appeared or changed, and the views that show them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.tui.screen import changes
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.views import table
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import View

_VIEWS = {capture_key: view for view in table.VIEWS for capture_key in view.captures}


def changed_views(screen: Screen) -> frozenset[str]:
    """Return the names of the views in which something changed, or that have new lines.

    Registers don't count, because they always change.
    """
    return frozenset(_VIEWS[key].name for key in _changed_keys(screen)) | (screen.unread - {screen.view})


def new_views(screen: Screen) -> list[View]:
    """Return the views of what the previous stage did not have."""
    return list(dict.fromkeys(_VIEWS[key] for key in _new_keys(screen)))


def show_new(screen: Screen) -> Screen:
    """Show what is new at the displayed stage.

    A view that the user chose stays, unless the stage no longer has its data.
    """
    view, new = table.shown(screen), new_views(screen)
    is_valid = not view.captures or view.has_current_data(screen)
    if not new or view in new or (screen.is_view_chosen and is_valid):
        return screen
    return screen._replace(view=new[0].name, is_view_chosen=False)


def with_new_lines(screen: Screen, view: View) -> Screen:
    """Note that a view has new lines, unless the user sees them."""
    return screen if screen.view == view.name else screen._replace(unread=screen.unread | {view.name})


def mark_read(screen: Screen) -> Screen:
    """Forget that the displayed view has new lines."""
    return screen._replace(unread=screen.unread - {screen.view}) if screen.view in screen.unread else screen


def news(screen: Screen) -> str:
    """Describe in one line what is new and what changed at the current stop."""
    new_keys, capture = _new_keys(screen), screen.capture
    new = [_in_view(key) for key in new_keys]
    changed = [_in_view(key) for key in _changed_keys(screen) if key not in new_keys]
    findings = sum(entry.is_new for entry in screen.boot_findings)
    if findings:
        new.append(f"{text.counted(findings, 'finding')} (view {table.FINDINGS.key})")
    stage = capture.stage if capture else ""
    parts = ((f"new at {stage}", new), (f"changed at {stage}", changed))
    return "; ".join(f"{head}: {', '.join(names)}" for head, names in parts if names) or (
        f"nothing new in memory at {stage}"
    )


def _in_view(key: str) -> str:
    return f"{key} (view {_VIEWS[key].key})"


def _changed_keys(screen: Screen) -> list[str]:
    """Return the capture keys that are new or changed."""
    changed = {changes.top_key(path) for path in screen.old_values}
    new = _new_keys(screen)
    return [key for key in _VIEWS if key in new or (key in changed and getattr(screen.capture, key) is not None)]


def _new_keys(screen: Screen) -> list[str]:
    """Return the capture keys that the previous stage did not have. The kernel's copy of a structure counts as new."""
    capture, before = screen.capture, changes.stage_before(screen)
    return [] if capture is None or before is None else _only_after(ById(before), ById(capture))


@lru_cache(8)
def _only_after(before: ById[Capture], after: ById[Capture]) -> list[str]:
    has = ((key, getattr(after.value, key), getattr(before.value, key)) for key in _VIEWS)
    return [key for key, now, then in has if now is not None and then is None]
