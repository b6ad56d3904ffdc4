"""How a guest ended without dying: its kernel panicked, it halted for good, or it left its code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.record.document import HALTED, PANICKED, RUNAWAY
from pvhdbg.tui.screen import state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.record.document import Watched
    from pvhdbg.tui.screen.state import Screen

_LINES_ABOVE, _QUOTED = 3, 2
"""The lines that are shown above a panic, and the last lines of the console that the message quotes."""
_KEYS = "F8: go back, F4: restart"


def of(screen: Screen) -> Watched | None:
    """Return how the guest or the recorded run ended; None if it has not ended, has died, or runs again."""
    is_at_end = screen.outcome is not None and screen.run.kind in (state.STOPPED, state.RECORDING)
    watched = screen.outcome.watched if screen.outcome and is_at_end else None
    return watched if watched is not None and watched.ended in (PANICKED, HALTED, RUNAWAY) else None


def message(watched: Watched, *, is_own_machine: bool) -> str:
    """Return a line for the user: how the guest ended, what it printed, and the keys that work on such a machine."""
    if watched.ended == PANICKED:
        words = f"the kernel panicked: {printable(watched.message)}" if watched.message else "the kernel panicked"
    elif watched.ended == RUNAWAY:
        words = "the guest executes zero bytes: it has left its code"
    else:
        printed = " / ".join(printable(line) for line in watched.serial[-_QUOTED:])
        words = "the guest has halted for good" + (f": {printed}" if printed else "")
    return f"{words.rstrip(' .!')}. {_KEYS}" if is_own_machine else words


def how_it_died(screen: Screen) -> str:
    """Return how the dead guest died. If a finding says why, the guest did not ask for a reset itself."""
    how = screen.run.how
    kind, _, possible = how.partition(" (")
    if not possible:
        return how
    from pvhdbg.tui.screen.findings import boot_findings  # not before the first picture, unless the guest is dead

    entries = screen.boot_findings or boot_findings(screen)
    return kind if any(entry.finding.explains_death for entry in entries) else how


def panic_line(lines: Sequence[str]) -> int | None:
    """Return the first line to show for a panic, with some lines before it; None if the lines have no panic."""
    from pvhdbg.boot.log.problems import PANIC, problem

    for index, line in enumerate(lines):
        found = problem(line)
        if found is not None and found.kind == PANIC:
            return max(index - _LINES_ABOVE, 0)
    return None
