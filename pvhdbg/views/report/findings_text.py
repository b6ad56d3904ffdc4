"""Findings as lines of text: a sign, the rule's code, and what it has to say."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.checks.finding import ERROR, INFO, SEVERITIES, WARNING
from pvhdbg.checks.rules import COUNTED, others
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.checks.finding import Finding

WIDTH = 100
MOST = 5
"""Findings of one rule at one stop."""

SIGNS = {ERROR: "X", WARNING: "!", INFO: "i"}


def lines(found: Sequence[Finding]) -> list[str]:
    """Of each rule the first few, then how many more there are and where they begin."""
    told = []
    for _, group in groupby(found, key=lambda each: (each.code, each.severity)):
        of_rule = list(group)
        told += [line for each in of_rule[:MOST] for line in _lines(each)]
        if len(of_rule) > MOST:
            told.append(f"{_head(of_rule[0])}{_rest(of_rule)}")
    return told


def at(run: Document, seen: Capture) -> list[str]:
    """What is found at one stop of a run, or in a look at the machine after the last of them."""
    from pvhdbg.checks.run import of_capture

    found = lines(of_capture(run, seen))
    return found or [f"no rule found anything at {seen.stage}{_elsewhere(run, seen)}"]


def _elsewhere(run: Document, seen: Capture) -> str:
    """The stages at which rules did find something."""
    from pvhdbg.checks.run import of_capture

    where = [each.stage for each in run.stops if each is not seen and of_capture(run, each)]
    return f", but at {', '.join(where)} (`check @{where[0]}`)" if where else ""


def _lines(each: Finding) -> list[str]:
    from textwrap import wrap

    head = _head(each)
    return wrap(each.message, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def _head(each: Finding) -> str:
    return f"  {SIGNS[each.severity]} {each.code}  "


def _rest(of_rule: Sequence[Finding]) -> str:
    """What is not told of them; the last one may stand for others."""
    left = of_rule[MOST:]
    uncounted = others(left[-1])
    count = len(left) - bool(uncounted) + uncounted
    kept = f"the JSON has the first {len(of_rule) - 1}" if uncounted else "the JSON has them"
    return f"… and {count}{' or' if uncounted == COUNTED else ''} more, from {printable(left[0].field)} on: {kept}"


def count(found: Sequence[Finding]) -> str:
    """`1 error, 2 infos`; the empty string where there is no finding."""
    numbers = {name: sum(each.severity == name for each in found) for name in SEVERITIES}
    return ", ".join(text.counted(number, name) for name, number in numbers.items() if number)
