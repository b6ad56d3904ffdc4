"""The kinds of popups."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Popup

HELP, QUIT, CHAIN, PALETTE, PANEL = "help", "quit", "chain", "palette", "panel"

SEARCHED = (HELP, PALETTE)
"""The popups that show only what contains the typed words."""


def is_place(popup: Popup, index: int) -> bool:
    """Return whether Enter can go to a line of a chain: to a field or a step of a trace, but not to a writer."""
    from pvhdbg.views.report.who_text import STEP  # not before the first picture, which has no popup

    return index % 2 == 0 or popup.steps[index].startswith(STEP)
