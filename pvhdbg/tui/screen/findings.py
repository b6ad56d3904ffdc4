"""What the rules find in the capture that is looked at, and have found before."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.record.document import DEAD, DONE, Death, Document, MachineFacts, Outcome
from pvhdbg.boot.stop import stages
from pvhdbg.checks.run import check_capture
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.screen.state import Noted

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.checks.finding import Finding
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.tui.screen.state import Run, Screen


def findings(screen: Screen) -> tuple[Finding, ...]:
    """The gravest first. A look between two stages comes after all of them."""
    seen = screen.looked_at
    return _of(screen, seen) if seen else ()


def noted(screen: Screen) -> tuple[Noted, ...]:
    """All that was found at this boot up to what is looked at: first what holds there, then what the latest stages
    had. What holds at several is listed once.
    """
    seen = screen.looked_at
    if seen is None:
        return ()
    stops, found = _up_to(screen, seen), dict[tuple[str, str], Noted]()
    for stop in stops:
        for each in _of(screen, stop):
            before = found.pop((each.code, each.message), None)
            stages = dict.fromkeys((*(before.stages if before else ()), stop.stage))
            is_new = before is None and stop is seen and stop is not stops[0]
            found[each.code, each.message] = Noted(each, tuple(stages), stop is seen, is_new)
    order = [each.stage for each in reversed(stops)]
    return tuple(sorted(found.values(), key=lambda each: order.index(each.stages[-1])))


def _up_to(screen: Screen, seen: Capture) -> list[Capture]:
    earlier = screen.history if screen.past is None else screen.history[: screen.past]
    return [*(each for each in earlier if each is not seen), seen]


def _of(screen: Screen, seen: Capture) -> tuple[Finding, ...]:
    outcome = screen.outcome or Outcome(_reached(screen), *_ended(screen.run, seen.stage))
    return _found(ById(screen.image), ById(screen.machine), ById(screen.history), outcome, ById(seen))


@lru_cache(16)
def _found(
    image: ById[ImageFacts | None],
    machine: ById[MachineFacts | None],
    history: ById[tuple[Capture, ...]],
    outcome: Outcome,
    seen: ById[Capture],
) -> tuple[Finding, ...]:
    """The rules take as long as all the rest of a key."""
    return check_capture(Document(image.it, machine.it or MachineFacts(), history.it, outcome), seen.it)


def _reached(screen: Screen) -> str | None:
    return next((each.stage for each in reversed(screen.history) if each.stage != stages.DIED), None)


def _ended(run: Run, stage: str) -> tuple[str, Death | None]:
    if stage != stages.DIED:
        return DONE, None
    return DEAD, Death(run.where, run.rip, run.symbol, run.how)
