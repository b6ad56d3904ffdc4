"""Findings as lines of text: a sign, the rule's code, and what it has to say."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from pvhdbg.checks.finding import ERROR, INFO, SEVERITIES, WARNING
from pvhdbg.views import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.capture import Capture
    from pvhdbg.boot.document import Document
    from pvhdbg.checks.finding import Finding

WIDTH = 100
MOST = 5
"""Findings of one rule at one stop."""

SIGNS = {ERROR: "X", WARNING: "!", INFO: "i"}


def lines(found: Sequence[Finding]) -> list[str]:
    """Of each rule the first few; all of them are in the JSON."""
    told = []
    for _, group in groupby(found, key=lambda each: (each.code, each.severity)):
        of_rule = list(group)
        told += [line for each in of_rule[:MOST] for line in _lines(each)]
        if len(of_rule) > MOST:
            told.append(f"  {SIGNS[of_rule[0].severity]} {of_rule[0].code}  … and more: the JSON has them")
    return told


def at(run: Document, seen: Capture) -> list[str]:
    """What is found at one stop of a run, or in a look at the machine after the last of them."""
    from pvhdbg.checks.run import of_capture

    return lines(of_capture(run, seen)) or ["no rule found anything"]


def _lines(each: Finding) -> list[str]:
    from textwrap import wrap

    head = f"  {SIGNS[each.severity]} {each.code}  "
    return wrap(each.message, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def count(found: Sequence[Finding]) -> str:
    """`1 error, 2 infos`; the empty string where there is no finding."""
    numbers = {name: sum(each.severity == name for each in found) for name in SEVERITIES}
    return ", ".join(text.counted(number, name) for name, number in numbers.items() if number)
