"""The text before the line at the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.lazy_pattern import pattern
from pvhdbg.tui.screen import state

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen

WHO = "who boots a second guest"
_WHO = pattern(r"\(gdb\) (pvh )?who\b")
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
        words.append(f"{state.LOADING}{_elapsed(screen, screen.symbols_since)}")
    elif screen.busy and screen.run.kind != state.RUNNING:
        words.append(f"{screen.work or _command(screen)}{_elapsed(screen, screen.work_since)}")
    if screen.queued:
        words.append(f"{screen.queued} queued")
    return f"({', '.join(words)}) "


def _command(screen: Screen) -> str:
    """Describe the user's command that is being executed."""
    commands = (line for line in reversed(screen.output) if line.startswith("(gdb) "))
    return WHO if _WHO.match(next(commands, "")) else "busy"


def _elapsed(screen: Screen, since: float) -> str:
    """Return for how long something has been going on; empty during its first second."""
    seconds = int(screen.clock - since) if since else 0
    return f" {seconds} s" if seconds > 0 else ""
