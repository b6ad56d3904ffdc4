"""Findings as lines of text: a sign for the severity, the code of the rule, and the message."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.stop.stages import UNSEEN
from pvhdbg.checks.finding import ERROR, INFO, SEVERITIES, WARNING
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.record.document import Document, MachineFacts
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.checks.finding import Finding

WIDTH = 100
MOST = 5
"""The most findings of one rule that are shown at one stop."""

SIGNS = {ERROR: "X", WARNING: "!", INFO: "i"}


def folded(findings: Sequence[Finding], machine: MachineFacts) -> list[str]:
    """Return the same as `lines`, but with the VMM's habits in one line at the end."""
    habits = [finding for finding in findings if finding.is_habit]
    others = lines([finding for finding in findings if not finding.is_habit])
    return [*others, f"  {SIGNS[INFO]} {habits_line(habits, machine)}"] if habits else others


def habits_line(habits: Sequence[Finding], machine: MachineFacts | None) -> str:
    """Return text such as `2 known habits of QEMU's microvm: PVH126, PVH201`."""
    name = printable((machine.machine if machine else None) or "machine").partition(",")[0]
    codes = ", ".join(dict.fromkeys(finding.code for finding in habits))
    return f"{text.counted(len(habits), 'known habit')} of QEMU's {name}: {codes}"


def lines(findings: Sequence[Finding]) -> list[str]:
    """Return the first findings of each rule, then how many more there are, and the field of the next one."""
    shown = []
    for _, group in groupby(findings, key=lambda finding: (finding.code, finding.severity)):
        of_rule = list(group)
        shown += [line for finding in of_rule[:MOST] for line in _lines(finding)]
        if len(of_rule) > MOST:
            shown.append(f"{_head(of_rule[0])}{_rest(of_rule)}")
    return shown


def at_capture(run: Document, capture: Capture) -> list[str]:
    """Return the findings at one stop of a run, or at a capture that was taken after the last stop of the run."""
    from pvhdbg.checks.run import check_capture, check_run

    has_panicked = capture.stage == UNSEEN and run.outcome.watched is not None
    shown = lines((*(check_run(run).ending if has_panicked else ()), *check_capture(run, capture)))
    return shown or [f"no findings at {capture.stage}{_other_stages(run, capture)}"]


def _other_stages(run: Document, capture: Capture) -> str:
    """Return a sentence with the other stages that have findings."""
    from pvhdbg.checks.run import check_capture

    stages = [stop.stage for stop in run.stops if stop is not capture and check_capture(run, stop)]
    return f". Other stages with findings: {', '.join(stages)} (`check @{stages[0]}`)" if stages else ""


def _lines(finding: Finding) -> list[str]:
    from textwrap import wrap

    head = _head(finding)
    return wrap(finding.message, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def _head(finding: Finding) -> str:
    return f"  {SIGNS[finding.severity]} {finding.code}  "


def _rest(of_rule: Sequence[Finding]) -> str:
    """Return how many findings are not shown, and where they are."""
    from pvhdbg.checks.rules import omitted_count  # not before the first picture, which has no findings

    omitted = omitted_count(of_rule[-1])
    in_json = f"the JSON document has the first {len(of_rule) - 1}" if omitted else "the JSON document has all of them"
    return f"{others_line(of_rule[MOST:])}: {in_json}"


def others_line(others: Sequence[Finding]) -> str:
    """Return how many other findings a rule has. The last one may itself stand for findings that the rule omits."""
    from pvhdbg.checks.rules import MAX_COUNTED, omitted_count

    omitted = omitted_count(others[-1])
    number = len(others) - bool(omitted) + omitted
    at_least = "at least " if omitted == MAX_COUNTED else ""
    return f"… and {at_least}{number} more, starting at {printable(others[0].field)}"


def count(findings: Sequence[Finding]) -> str:
    """Return text such as `1 error, 2 warnings, 4 info`; an empty string if there are no findings."""
    numbers = {severity: sum(finding.severity == severity for finding in findings) for severity in SEVERITIES}
    plurals = {INFO: INFO}
    return ", ".join(text.counted(number, name, plurals.get(name)) for name, number in numbers.items() if number)
