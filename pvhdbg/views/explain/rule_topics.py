"""The rules of pvhdbg/checks as topics: why a defect matters, and what to do about it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pvhdbg.checks.rules import SOURCE
from pvhdbg.checks.run import rules
from pvhdbg.views.explain.topic import Explanation, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.rules import Rule

RULES = "rules"


def of_rules() -> Iterator[Topic]:
    for code, rule in rules().items():
        yield Topic(RULES, code, (code,), partial(of_rule, rule))


def of_rule(rule: Rule) -> Explanation:
    """Return a rule's explanation: the paragraphs of its docstring, with the sources in a separate field."""
    paragraphs = rule.paragraphs
    sources = [paragraph.removeprefix(SOURCE).rstrip(".") for paragraph in paragraphs if paragraph.startswith(SOURCE)]
    return Explanation(
        rule.code,
        where=rule.severity
        + (f", in some cases {' or '.join(rule.other_severities)}" if rule.other_severities else ""),
        meaning=rule.name,
        source="; ".join(sources),
        details=tuple(paragraph for paragraph in paragraphs if not paragraph.startswith(SOURCE)),
    )
