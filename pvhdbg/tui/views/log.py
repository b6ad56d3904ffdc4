"""log: the kernel's own log, from guest memory, as it was when the guest stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Log
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen


def has_data(screen: Screen) -> bool:
    return bool(shown(screen).lines)


def lines(screen: Screen) -> tuple[str, ...]:
    return shown(screen).lines


def shown(screen: Screen) -> Log:
    """Return the log at the displayed stop."""
    if screen.moment is not None:
        return Log(why="a trace has the log only at its stages")
    if screen.past is None:
        return screen.log
    stage = screen.history[screen.past].stage
    return screen.log_by_stage.get(stage, Log(why=f"not captured at stage {stage}"))


def heading(screen: Screen) -> str:
    log, top = shown(screen), screen.text_top
    if not log.lines:
        return "the kernel's log"
    position = "following the end" if top is None else f"from line {top + 1}"
    return f"the kernel's log, {text.counted(len(log.lines), 'line')}, {position}"


def empty(screen: Screen) -> str:
    if screen.run.kind == state.RUNNING and screen.past is None:
        return f"{shown(screen).why}; Ctrl-C stops the guest and reads its log again"
    return shown(screen).why
