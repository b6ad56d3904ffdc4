"""The text before the line at the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.screen import state

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen

_NAMES = {
    state.STARTING: "starting",
    state.RUNNING: "running",
    state.ENDED: "no machine",
    state.RECORDING: "pvh",
}


def prompt_label(screen: Screen) -> str:
    """Return what runs the line (`gdb` or `pvh`) or why nothing can run it yet, and what the line has to wait for."""
    if screen.reads_lines:
        return "> "
    words = [_NAMES.get(screen.run.kind, "gdb")]
    if screen.symbols == state.LOADING:
        words.append(state.LOADING)
    elif screen.busy and screen.run.kind != state.RUNNING:
        words.append("busy")
    if screen.queued:
        words.append(f"{screen.queued} queued")
    return f"({', '.join(words)}) "
