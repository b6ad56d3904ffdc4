"""The rules of pvhdbg/checks to be explained: why what they look for matters, and what to do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pvhdbg.checks.rules import SOURCE
from pvhdbg.checks.run import rules
from pvhdbg.views.explain.topics import Explanation, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.rules import Rule

RULES = "rules"


def of_rules() -> Iterator[Topic]:
    for code, rule in rules().items():
        yield Topic(RULES, code, (code,), partial(of_rule, rule))


def of_rule(rule: Rule) -> Explanation:
    paragraphs = rule.paragraphs
    sources = [each.removeprefix(SOURCE).rstrip(".") for each in paragraphs if each.startswith(SOURCE)]
    return Explanation(
        rule.code,
        where=rule.severity + (f", in some cases {' or '.join(rule.also)}" if rule.also else ""),
        meaning=rule.name,
        source="; ".join(sources),
        more=tuple(each for each in paragraphs if not each.startswith(SOURCE)),
    )
