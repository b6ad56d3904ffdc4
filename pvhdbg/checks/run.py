"""Run the rules over a run: the findings at every stop, and the findings about the end of the run."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pvhdbg.boot.record.document import DEAD, TIMED_OUT
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import EMPTY_CAPTURE
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.checks.case import Case, symbols_of
from pvhdbg.checks.finding import ERROR, SEVERITIES, Finding
from pvhdbg.checks.rules import AFTER_STAGES, EVERY_STOP, ON_FAILURE, ONCE, RULES, Rule
from pvhdbg.named_tuple import NamedTuple

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
    "kernel.preflight",
    "kernel.image_defects",
    "kernel.vmm_loader",
    "handover.protocol",
    "handover.guests",
    "outcome.death",
    "outcome.watched",
    "outcome.kernel_log",
    "outcome.other_guests",
    "outcome.on_xen",
    "outcome.absent_memory",
)

_HANDOVER = "pvhdbg.checks.handover."
"""The rules about what a VMM passes to a PVH guest. They do not apply to a guest that QEMU starts in another way."""


class RunFindings(NamedTuple):
    """The findings of a run: `stops` has one tuple per stop, in order; `ending` is about an end that has no stop."""

    stops: tuple[tuple[Finding, ...], ...]
    ending: tuple[Finding, ...]

    @property
    def all(self) -> list[Finding]:
        """Every finding once, in the order of first occurrence and with its worst severity."""
        return list({_identity(finding): finding for findings in self.new for finding in findings}.values())

    @property
    def new(self) -> list[tuple[Finding, ...]]:
        """The findings of every stop, then of the end. A finding is repeated only if it has become more severe."""
        ranks: dict[tuple[str, str], int] = {}
        lists = []
        for findings in (*self.stops, self.ending):
            lists.append(tuple(it for it in findings if _rank(it) < ranks.get(_identity(it), len(SEVERITIES))))
            for finding in findings:
                ranks[_identity(finding)] = min(_rank(finding), ranks.get(_identity(finding), len(SEVERITIES)))
        return lists


def _identity(finding: Finding) -> tuple[str, str]:
    return finding.code, finding.message


def _rank(finding: Finding) -> int:
    return SEVERITIES.index(finding.severity)


def rules() -> dict[str, Rule]:
    """Return every rule by its code, in ascending order."""
    for topic in TOPICS:
        import_module(f"pvhdbg.checks.{topic}")
    return dict(sorted(RULES.items()))


_LAST: list[tuple[Document, RunFindings]] = []
"""The last run that was checked: a command needs its findings for the text, for the exit status and for remarks."""


def check_run(document: Document) -> RunFindings:
    """Run the rules over every stop of a run and over its end."""
    for known, findings in _LAST:
        if known is document:
            return findings
    stops = tuple(check_stop(document, index) for index in range(len(document.stops)))
    checked = RunFindings(stops, check_end(document))
    _LAST[:] = [(document, checked)]
    return checked


def check_stop(document: Document, index: int) -> tuple[Finding, ...]:
    """Return the findings at one stop of a run.

    The rules know nothing of later stops, except their symbols, which belong to the image and never change. They know
    the outcome only at the stop where the guest died.
    """
    capture = document.stops[index]
    is_dead = capture.stage == stages.DIED
    kinds = {EVERY_STOP, *((ONCE,) if index == 0 else ()), *((ON_FAILURE,) if is_dead else ())}
    outcome, symbols = document.outcome if is_dead else None, symbols_of(document.stops)
    stop = Stop(capture, document.stops[:index], document.kernel)
    return run_rules(Case(stop, document.machine, outcome, symbols), kinds)


def check_capture(document: Document, capture: Capture) -> tuple[Finding, ...]:
    """Return the findings of a capture, which is one of the run's stops or was taken after the last one."""
    index = next((index for index, stop in enumerate(document.stops) if stop is capture), None)
    if index is not None:
        return check_stop(document, index)
    return check_stop(document._replace(stops=(*document.stops, capture)), len(document.stops))


def check_end(document: Document) -> tuple[Finding, ...]:
    """Return the findings about an end that has no stop.

    For example, a stage timed out, the run ended before its first stop, or the guest panicked after the last stage.
    """
    stops, outcome = document.stops, document.outcome
    has_death_stop = bool(stops) and stops[-1].stage == stages.DIED
    kinds = {
        *(() if stops else (ONCE,)),
        *((ON_FAILURE,) if _is_failure(outcome) and not has_death_stop else ()),
        *((AFTER_STAGES,) if outcome.watched else ()),
    }
    capture, earlier = (stops[-1], stops[:-1]) if stops else (EMPTY_CAPTURE, ())
    return run_rules(Case(Stop(capture, earlier, document.kernel), document.machine, outcome), kinds)


def _is_failure(outcome: Outcome) -> bool:
    return outcome.ended in (DEAD, TIMED_OUT)


def run_rules(case: Case, kinds: Collection[str] = (EVERY_STOP,)) -> tuple[Finding, ...]:
    """Run the rules of these kinds. Return causes of the death first, then the other findings by severity and code."""
    return tuple(finding for _, finding in sorted(_sortable(case, kinds), key=lambda pair: pair[0]))


def _is_about_the_handover(rule: Rule) -> bool:
    return rule.check.__module__.startswith(_HANDOVER)


def _sortable(case: Case, kinds: Collection[str]) -> Iterator[tuple[tuple[bool, bool, int, str], Finding]]:
    for code, rule in rules().items():
        if rule.when in kinds and not (case.is_entered_otherwise and _is_about_the_handover(rule)):
            for finding in rule.findings(case):
                is_cause = rule.cause and finding.severity == ERROR
                is_observed = is_cause and rule.when == ON_FAILURE
                yield (not is_cause, not is_observed, SEVERITIES.index(finding.severity), code), finding
