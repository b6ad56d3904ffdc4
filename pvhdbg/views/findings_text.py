"""Findings as lines of text: a sign, the rule's code, and what it has to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.checks.finding import ERROR, INFO, SEVERITIES, WARNING
from pvhdbg.views import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.capture import Capture
    from pvhdbg.boot.document import Document
    from pvhdbg.checks.finding import Finding

WIDTH = 100
SIGNS = {ERROR: "X", WARNING: "!", INFO: "i"}


def lines(found: Sequence[Finding]) -> list[str]:
    return [line for each in found for line in _lines(each)]


def at(run: Document, stops: Sequence[Capture]) -> list[str]:
    """What is found at the last of these stops of a run."""
    from pvhdbg.checks.run import at_stop

    found = at_stop(run._replace(stops=tuple(stops)), len(stops) - 1)
    return lines(found) or ["no rule found anything"]


def _lines(each: Finding) -> list[str]:
    from textwrap import wrap

    head = f"  {SIGNS[each.severity]} {each.code}  "
    return wrap(each.message, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def count(found: Sequence[Finding]) -> str:
    """`1 error, 2 infos`; the empty string where there is no finding."""
    numbers = {name: sum(each.severity == name for each in found) for name in SEVERITIES}
    return ", ".join(text.counted(number, name) for name, number in numbers.items() if number)
