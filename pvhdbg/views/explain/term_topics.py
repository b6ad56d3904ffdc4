"""The glossary's terms as topics, and the search for terms in a text."""

from __future__ import annotations

import re
from functools import cache, partial
from typing import TYPE_CHECKING

from pvhdbg.views.explain import glossary
from pvhdbg.views.explain.topics import Explanation, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.views.explain.term import Term

TERMS = "terms"
_TOO_GENERAL = ("PVH", "boot data", "guest", "handover", "loader", "question", "rule", "stage", "stop", "verdict")
"""Names that occur in most texts, or that have other meanings too: `mentioned` ignores them."""


def terms() -> Iterator[Topic]:
    for term in glossary.TERMS:
        names = term.names.split(", ")
        yield Topic(TERMS, names[0], tuple(names), partial(_explain, term))


def _explain(term: Term) -> Explanation:
    name = term.names.partition(", ")[0]
    return Explanation(f"term {name}", meaning=term.meaning, details=(term.details,), source=term.source)


def mentioned(about: Explanation) -> list[str]:
    """Return the terms that an explanation uses, in the order of first use, without the term that it explains."""
    text = " ".join((about.meaning, *about.details, about.written_by, about.read_by))
    pattern, by_name = _names()
    used = dict.fromkeys(by_name[match[1].casefold()] for match in pattern.finditer(text))
    return [name for name in used if name != about.title.removeprefix("term ")]


@cache
def _names() -> tuple[re.Pattern[str], dict[str, str]]:
    """Return a pattern that matches every term and synonym, also in the plural, and a map from each to its term."""
    names = [term.names.split(", ") for term in glossary.TERMS]
    by_name = {name.casefold(): synonyms[0] for synonyms in names for name in synonyms}
    specific = {name for synonyms in names for name in synonyms}.difference(_TOO_GENERAL)
    longest_first = sorted(specific, key=len, reverse=True)
    any_name = "|".join(f"[{name[0]}{name[0].upper()}]{re.escape(name[1:])}" for name in longest_first)
    return re.compile(rf"(?<![\w.])({any_name})s?(?![\w-])"), by_name
