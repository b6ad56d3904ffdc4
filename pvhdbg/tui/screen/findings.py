"""The findings of the displayed capture, and the findings of earlier stages of this boot."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.record.document import DEAD, DONE, Death, Document, MachineFacts, Outcome
from pvhdbg.boot.stop import stages
from pvhdbg.checks.run import check_capture, check_end
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.screen.state import MISSED, BootFinding

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.checks.finding import Finding
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.tui.screen.state import Run, Screen


def current_findings(screen: Screen) -> tuple[Finding, ...]:
    """Return the findings of the displayed capture, the most severe first."""
    return _of(screen, screen.capture) if screen.capture else ()


def boot_findings(screen: Screen) -> tuple[BootFinding, ...]:
    """Return all findings up to the displayed capture, without duplicates.

    The findings of the displayed capture come first, then those that only earlier captures have, the latest first.
    """
    if screen.capture is None:
        return ()
    return _collected(tuple((capture.stage, ById(_of(screen, capture))) for capture in _up_to(screen, screen.capture)))


@lru_cache(16)
def _collected(by_capture: tuple[tuple[str, ById[tuple[Finding, ...]]], ...]) -> tuple[BootFinding, ...]:
    """Collect the findings of captures. The last capture is displayed."""
    collected = dict[tuple[str, str], BootFinding]()
    for index, (stage, findings) in enumerate(by_capture):
        is_shown = index == len(by_capture) - 1
        for finding in findings.value:
            earlier = collected.pop((finding.code, finding.message), None)
            at_stages = dict.fromkeys((*(earlier.stages if earlier else ()), stage))
            is_new = earlier is None and is_shown and index > 0
            collected[finding.code, finding.message] = BootFinding(finding, tuple(at_stages), is_shown, is_new)
    order = [stage for stage, _ in reversed(by_capture)]
    return tuple(sorted(collected.values(), key=lambda entry: order.index(entry.stages[-1])))


def _up_to(screen: Screen, shown: Capture) -> list[Capture]:
    """Return the captures up to the displayed one, which is last even if it was taken between two stages."""
    return [*(capture for capture in screen.earlier if capture is not shown), shown]


def _of(screen: Screen, capture: Capture) -> tuple[Finding, ...]:
    outcome = screen.outcome or Outcome(_last_stage(screen), *_end(screen.run, capture.stage))
    is_end = screen.outcome is not None and capture is screen.now
    history = ById(screen.history)
    return _checked(ById(screen.image), ById(screen.machine), history, outcome, ById(capture), is_end=is_end)


@lru_cache(16)
def _checked(
    image: ById[ImageFacts | None],
    machine: ById[MachineFacts | None],
    history: ById[tuple[Capture, ...]],
    outcome: Outcome,
    capture: ById[Capture],
    *,
    is_end: bool,
) -> tuple[Finding, ...]:
    """Run the rules; with `is_end`, also those about the end of the run.

    The result is cached, because they take as long as everything else that a key press causes.
    """
    document = Document(image.value, machine.value or MachineFacts(), history.value, outcome)
    return (*(check_end(document) if is_end else ()), *check_capture(document, capture.value))


def _last_stage(screen: Screen) -> str | None:
    """Return the last stage that was captured or, if none was captured, the last one that the guest passed."""
    captured = (capture.stage for capture in reversed(screen.history) if capture.stage != stages.DIED)
    missed = (mark.name for mark in reversed(screen.stages) if mark.status == MISSED)
    return next(captured, None) or next(missed, None)


def _end(run: Run, stage: str) -> tuple[str, Death | None]:
    if stage != stages.DIED:
        return DONE, None
    return DEAD, Death(run.where, run.rip, run.symbol, run.how)
