"""What the rules find in the capture that is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot import stages
from pvhdbg.boot.document import DEAD, DONE, Death, Document, MachineFacts, Outcome
from pvhdbg.checks.run import of_capture

if TYPE_CHECKING:
    from pvhdbg.checks.finding import Finding
    from pvhdbg.tui.state import Run, Screen


def findings(screen: Screen) -> tuple[Finding, ...]:
    """The gravest first. A look between two stages comes after all of them."""
    seen = screen.looked_at
    if seen is None:
        return ()
    outcome = screen.outcome or Outcome(_reached(screen), *_ended(screen.run, seen.stage))
    return of_capture(Document(screen.image, screen.machine or MachineFacts(), screen.history, outcome), seen)


def _reached(screen: Screen) -> str | None:
    return next((each.stage for each in reversed(screen.history) if each.stage != stages.DIED), None)


def _ended(run: Run, stage: str) -> tuple[str, Death | None]:
    if stage != stages.DIED:
        return DONE, None
    return DEAD, Death(run.where, run.rip, run.symbol, run.how)
