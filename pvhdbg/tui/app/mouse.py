"""The mouse: what a click and the wheel do at a place of the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.app import actions
from pvhdbg.tui.draw import frame, targets
from pvhdbg.tui.draw.popups.kinds import CHAIN, HELP, PALETTE, PANEL
from pvhdbg.tui.events.steps import show_step
from pvhdbg.tui.events.update import show_stage
from pvhdbg.tui.screen import state
from pvhdbg.tui.views import table

if TYPE_CHECKING:
    from pvhdbg.tui.draw.layout import Size
    from pvhdbg.tui.draw.targets import Target
    from pvhdbg.tui.screen.state import Popup, Screen

CLICK, UP, DOWN = "click", "up", "down"
_LINES = 3
"""How many lines of text the wheel scrolls. In a view with a cursor, it moves the cursor by one row."""
_SCROLL = {HELP: "popup-", PANEL: "popup-", PALETTE: "popup-item-", CHAIN: "popup-link-"}
"""How the actions of the wheel begin, by the kind of popup."""
_FOLLOW = {PALETTE: "palette-run", PANEL: "popup-explain", CHAIN: "popup-follow"}
"""What a click does after it has chosen an item, by the kind of popup."""


def wheel(screen: Screen, size: Size, way: str, place: tuple[int, int]) -> Screen:
    """Scroll what is at a place: a popup, or the pane there, which need not have the focus."""
    if screen.popup is not None:
        prefix = _SCROLL.get(screen.popup.kind)
        return actions.act(f"{prefix}{way}", screen, size) if prefix else screen
    target = targets.at(screen, *size, *place)
    pane = target.name if target is not None and target.kind == targets.PANE else state.VIEW
    if pane == state.DETAIL and screen.focus != state.DETAIL:
        return screen
    lines = _LINES if pane != state.VIEW or table.shown(screen).text else 1
    scrolled = actions.scroll(screen._replace(focus=pane), lines if way == DOWN else -lines, _page(screen, size, pane))
    return frame.clamp(scrolled._replace(focus=screen.focus), *size)


def click(screen: Screen, size: Size, place: tuple[int, int]) -> tuple[Screen, str]:
    """Return the screen after a click, and the action that follows; empty without one."""
    target = targets.at(screen, *size, *place)
    if target is None:
        return screen, ""
    if screen.popup is not None:
        return _in_popup(screen, screen.popup, target)
    if target.kind == targets.TAB:
        return screen._replace(focus=state.VIEW), f"view {target.name}"
    if target.kind in (targets.STAGE, targets.STEP):
        is_step = target.kind == targets.STEP
        return (show_step(screen, target.number) if is_step else _show_stage(screen, target.name)), ""
    if target.kind == targets.PANE:
        return screen._replace(focus=target.name), ""
    return _choose_row(screen, target.number)


def _page(screen: Screen, size: Size, pane: str) -> int:
    return (frame.output_visible if pane == state.OUTPUT else frame.visible)(screen, *size)


def _in_popup(screen: Screen, popup: Popup, target: Target) -> tuple[Screen, str]:
    """Follow a link, or close the popup if the click is beside it."""
    if target.kind == targets.OUTSIDE:
        return screen, "popup-close"
    return screen._replace(popup=popup._replace(selected=target.number)), _FOLLOW[popup.kind]


def _choose_row(screen: Screen, index: int) -> tuple[Screen, str]:
    """Select a row. A click on the selected row follows its pointer."""
    if screen.focus == state.VIEW and frame.cursor(screen) == index:
        return screen, "follow"
    return screen._replace(focus=state.VIEW, detail_top=0).at(index), ""


def _show_stage(screen: Screen, name: str) -> Screen:
    """Show the capture of a stage."""
    stages = [capture.stage for capture in screen.history]
    if name not in stages:
        return screen._replace(message=f"the stage {name} was not captured")
    index = stages.index(name)
    return show_stage(screen, None if screen.history[index] is screen.now else index)
