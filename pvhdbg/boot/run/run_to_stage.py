"""Run to a stage, and return how the run ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.record import document
from pvhdbg.boot.record.document import Death, Outcome
from pvhdbg.boot.stop import stages
from pvhdbg.errors import TargetError
from pvhdbg.target.base import DIED, ELSEWHERE, HIT, INTERRUPTED, TIMEOUT, Halt

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.boot.run.journey import Journey

    NameOf = Callable[[int], "str | None"]


def run_to_stage(journey: Journey, last: str, timeout: float, name_of: NameOf) -> Outcome:
    """Go to stage `last`, or as far as the guest gets. `timeout` is in seconds, for each stage.

    `name_of` returns an address as symbol+offset. Ctrl-C ends the run, but not the program; the captures are kept.

    :raise TargetError: if the guest stopped for another reason, such as a user's breakpoint.
    """
    try:
        halts = list(journey.go(last, timeout))
    except KeyboardInterrupt:
        return Outcome(journey.reached, document.INTERRUPTED)
    halt = halts[-1] if halts else None
    if halt is not None and halt.kind == HIT and halt.message and journey.reached != last:
        raise TargetError(f"the guest stopped at stage {journey.reached}, before stage {last}: {halt.message}")
    if halt is None or halt.kind not in _OUTCOMES:
        if halt is not None and halt.kind == ELSEWHERE:
            raise TargetError(f"the guest stopped before it reached the next stage: {halt.message}")
        return Outcome(journey.reached, document.DONE)
    return _OUTCOMES[halt.kind](journey, halt, name_of)


def death_outcome(journey: Journey, halt: Halt, name_of: NameOf) -> Outcome:
    """Return the outcome of a run in which the guest died."""
    death = Death(halt.how or "", halt.rip, _name(halt, name_of), halt.message)
    return Outcome(journey.furthest, document.DEAD, death)


def timeout_outcome(journey: Journey, halt: Halt, name_of: NameOf) -> Outcome:
    """Return the outcome of a run that did not reach its stage in time."""
    ahead = journey.stages_ahead()
    waited_for = ahead[0].name if ahead else stages.NAMES[-1]
    return Outcome(journey.reached, document.TIMED_OUT, None, waited_for, halt.rip, _name(halt, name_of))


def _interrupted(journey: Journey, _halt: Halt, _name_of: NameOf) -> Outcome:
    return Outcome(journey.reached, document.INTERRUPTED)


_OUTCOMES = {DIED: death_outcome, TIMEOUT: timeout_outcome, INTERRUPTED: _interrupted}


def _name(halt: Halt, name_of: NameOf) -> str | None:
    return None if halt.rip is None else name_of(halt.rip)
