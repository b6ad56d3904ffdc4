"""Every rule over a run: the findings of each stop, and those about its end."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.boot.record.document import DEAD, TIMED_OUT
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import EMPTY_CAPTURE
from pvhdbg.checks.case import Case, recorded
from pvhdbg.checks.finding import ERROR, SEVERITIES, Finding
from pvhdbg.checks.rules import EACH, FIRST, LAST, RULES, Rule

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pvhdbg.boot.record.document import Document, Outcome
    from pvhdbg.boot.stop.capture import Capture

TOPICS = (
    "handover.start_info",
    "handover.entry_state",
    "handover.memmap",
    "handover.modules",
    "handover.cmdline",
    "handover.rsdp",
    "handover.placement",
    "kernel.boot_params",
    "kernel.e820",
    "kernel.image",
    "handover.protocol",
    "outcome.death",
)


class Checked(NamedTuple):
    """The findings of each stop, in the order of the stops, and those about an end that has no stop of its own."""

    stops: tuple[tuple[Finding, ...], ...]
    ending: tuple[Finding, ...]

    @property
    def all(self) -> list[Finding]:
        """Each finding once: what holds at several stops is told at the first of them, and of the gravest."""
        return list({_said(each): each for found in self.new for each in found}.values())

    @property
    def new(self) -> list[tuple[Finding, ...]]:
        """The findings of each stop, and last of the end, without those that an earlier one has too, as grave."""
        told: dict[tuple[str, str], int] = {}
        lists = []
        for found in (*self.stops, self.ending):
            lists.append(tuple(each for each in found if _grave(each) < told.get(_said(each), len(SEVERITIES))))
            for each in found:
                told[_said(each)] = min(_grave(each), told.get(_said(each), len(SEVERITIES)))
        return lists


def _said(of: Finding) -> tuple[str, str]:
    return of.code, of.message


def _grave(of: Finding) -> int:
    return SEVERITIES.index(of.severity)


def rules() -> dict[str, Rule]:
    """Every rule, by its code."""
    for topic in TOPICS:
        import_module(f"pvhdbg.checks.{topic}")
    return dict(sorted(RULES.items()))


def check(document: Document) -> Checked:
    stops = tuple(at_stop(document, index) for index in range(len(document.stops)))
    return Checked(stops, _ending(document))


def at_stop(document: Document, index: int) -> tuple[Finding, ...]:
    """The findings of one stop. Of later stops nothing counts but what they tell of the image, which is the same at all
    times; of the outcome nothing but how the guest died.
    """
    seen = document.stops[index]
    is_dead = seen.stage == stages.DIED
    asked = {EACH, *((FIRST,) if index == 0 else ()), *((LAST,) if is_dead else ())}
    outcome, symbols = document.outcome if is_dead else None, recorded(document.stops)
    case = Case(seen, document.stops[:index], document.kernel, document.machine, outcome, symbols)
    return findings(case, asked)


def of_capture(document: Document, seen: Capture) -> tuple[Finding, ...]:
    """The findings of one of the run's stops, or of a look at the machine after the last of them."""
    index = next((index for index, each in enumerate(document.stops) if each is seen), None)
    if index is not None:
        return at_stop(document, index)
    return at_stop(document._replace(stops=(*document.stops, seen)), len(document.stops))


def _ending(document: Document) -> tuple[Finding, ...]:
    """Of a run that stands still, or that ended before its first stop."""
    stops, outcome = document.stops, document.outcome
    is_told = bool(stops) and stops[-1].stage == stages.DIED
    asked = {*(() if stops else (FIRST,)), *((LAST,) if _is_unwanted(outcome) and not is_told else ())}
    seen, earlier = (stops[-1], stops[:-1]) if stops else (EMPTY_CAPTURE, ())
    return findings(Case(seen, earlier, document.kernel, document.machine, outcome), asked)


def _is_unwanted(outcome: Outcome) -> bool:
    return outcome.ended in (DEAD, TIMED_OUT)


def findings(case: Case, asked: Collection[str] = (EACH,)) -> tuple[Finding, ...]:
    """What the rules of these kinds have to say: first what explains a death, there and before it, then by severity."""
    return tuple(each for _, each in sorted(_all(case, asked), key=lambda found: found[0]))


def _all(case: Case, asked: Collection[str]) -> Iterator[tuple[tuple[bool, bool, int, str], Finding]]:
    for code, rule in rules().items():
        if rule.when in asked:
            for each in rule.findings(case):
                explains = rule.cause and each.severity == ERROR
                seen = explains and rule.when == LAST
                yield (not explains, not seen, SEVERITIES.index(each.severity), code), each
