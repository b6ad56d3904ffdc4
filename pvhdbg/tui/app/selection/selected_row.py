"""What the selected row stands for: its text, a place for a breakpoint, and the bytes that `who` and W ask about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.draw import frame
from pvhdbg.tui.events import steps
from pvhdbg.tui.screen.state import MemoryRequest
from pvhdbg.tui.views import table
from pvhdbg.tui.views.shown import selected

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import BreakpointPlace

MACHINE_WORD = 8


def breakpoint_place(screen: Screen) -> BreakpointPlace:
    """Return where F9 sets a breakpoint: at the selected code or bytes, otherwise at RIP."""
    return table.shown(screen).breakpoint(screen, frame.cursor(screen))


def selected_text(screen: Screen) -> str:
    """Return the selected row as text; empty if no row is selected."""
    row = selected(screen)
    return "" if row is None else " ".join(filter(None, row.columns or (row.name, row.value, row.meaning)))


_FIELDS = (
    *("start_info", "pvh_start_info", "modules", "memory_map", "cmdline"),
    *("boot_params", "kernel_boot_params", "e820_table"),
)
"""How the paths of boot data begin."""


def asked_about(screen: Screen) -> str:
    """Return what `who` is asked about: the selected row's path or, in a row of bytes, its address; empty without."""
    row = selected(screen)
    if row is None or row.address is None:
        return ""
    if row.path.startswith(_FIELDS):
        return row.path
    return f"{row.address:#x},{len(row.raw)}" if row.raw else f"{row.address:#x}"


def seek(screen: Screen) -> Screen:
    """Remember the selected row before the machine goes back to the last store to it."""
    row = selected(screen)
    if row is None or row.address is None or not row.path.startswith(_FIELDS):
        return screen._replace(sought=None)
    request = MemoryRequest(f"p {row.address:#x}", len(row.raw) or MACHINE_WORD)
    return screen._replace(sought=(row.path, request))


def back_to_store(screen: Screen) -> Screen:
    """Go back in a trace to the last store to the selected row or bytes."""
    row = selected(screen)
    if row is None or row.address is None or table.shown(screen).has_virtual_addresses:
        return screen._replace(message="this row has no bytes")
    return steps.store_before(screen, row.address, len(row.raw) or 1)
