"""serial: what the guest wrote on its serial console. The view always shows the present."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.screen import state
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen


def lines(screen: Screen) -> tuple[str, ...]:
    return screen.serial


def heading(screen: Screen) -> str:
    if not screen.serial:
        return "serial console"
    count, top = len(screen.serial), screen.text_top
    position = f"{text.counted(count, 'line')}, following the end" if top is None else f"from line {top + 1} of {count}"
    return f"serial console, {position}"


def empty(screen: Screen) -> str:
    if screen.run.kind == state.RECORDING:
        return "a recording does not contain the serial output"
    return "the guest has written nothing yet"
