"""The kinds of popups."""

from __future__ import annotations

HELP, QUIT, CHAIN, PALETTE, PANEL = "help", "quit", "chain", "palette", "panel"

SEARCHED = (HELP, PALETTE)
"""The popups that show only what contains the typed words."""
