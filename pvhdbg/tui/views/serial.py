"""serial: what the guest wrote on its serial console until now or, in a recording, until the displayed stop."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.tui.screen import ending, scrollback, state
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.views import log
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.record.document import Outcome
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.screen.state import Screen

_LATER = "(the last lines that pvhdbg saw after the last stage:)"


def lines(screen: Screen) -> tuple[str, ...]:
    if screen.run.kind != state.RECORDING or screen.capture is None:
        return screen.serial
    return _recorded(ById(screen.capture), ById(screen.outcome if screen.past is None else None))


@lru_cache(8)
def _recorded(capture: ById[Capture], outcome: ById[Outcome | None]) -> tuple[str, ...]:
    """Return the output up to a stop and, at the end of the recording, the last lines after it."""
    output, watched = capture.value.serial, outcome.value.watched if outcome.value else None
    written = scrollback.add_serial_output((), output) if output else ()
    if watched is None or not any(watched.serial):
        return written
    later = scrollback.add_serial_output((), "\n".join(watched.serial).encode("latin-1", "replace"))
    return (*written, _LATER, *later)


def last_line(lines: Sequence[str]) -> str:
    """Return the last line that is not blank; empty if there is none."""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def heading(screen: Screen) -> str:
    count, top = len(lines(screen)), screen.text_top
    if not count:
        return "serial console"
    position = f"{text.counted(count, 'line')}, following the end" if top is None else f"from line {top + 1} of {count}"
    return f"serial console, {position}"


def empty(screen: Screen) -> str:
    capture = screen.capture
    if screen.run.kind != state.RECORDING or capture is None or capture.serial is not None:
        return _no_output(screen)
    return f"no serial output: {printable(capture.missing.get('serial', 'not recorded'))}"


def _no_output(screen: Screen) -> str:
    """Describe the empty console and, if the guest wrote to its log instead, name the view of the log."""
    is_at_end = screen.run.kind in (state.DEAD, state.ENDED) or ending.of(screen) is not None
    words = "the guest has written nothing" + ("" if is_at_end else " yet")
    logged = len(log.lines(screen))
    return f"{words}; its log (view log) has {text.counted(logged, 'line')}" if logged else words
