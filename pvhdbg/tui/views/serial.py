"""serial: what the guest wrote on its serial console. It is never of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen


def lines(screen: Screen) -> tuple[str, ...]:
    return screen.serial


def heading(screen: Screen) -> str:
    if not screen.serial:
        return "serial console"
    count, top = text.counted(len(screen.serial), "line"), screen.text_top
    return f"serial console, {count}, the last of them" if top is None else f"serial console, line {top + 1} of {count}"


def empty(_screen: Screen) -> str:
    return "the guest wrote nothing yet"
