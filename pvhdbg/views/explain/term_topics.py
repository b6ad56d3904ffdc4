"""The glossary's terms as topics, and which of them a text mentions."""

from __future__ import annotations

import re
from functools import cache, partial
from typing import TYPE_CHECKING

from pvhdbg.views.explain import glossary
from pvhdbg.views.explain.topics import Explanation, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.views.explain.glossary import Term

TERMS = "terms"


def terms() -> Iterator[Topic]:
    for term in glossary.TERMS:
        names = term.names.split(", ")
        yield Topic(TERMS, names[0], tuple(names), partial(_explain, term))


def _explain(term: Term) -> Explanation:
    return Explanation(_title(term), meaning=term.meaning, details=(term.details,), source=term.source)


def _title(term: Term) -> str:
    return f"term {term.names.partition(', ')[0]}"


def mentioned(about: Explanation) -> list[str]:
    """Return the terms that an explanation uses, in the order of first use, without the one that it explains."""
    text = " ".join((about.meaning, *about.details, about.written_by, about.read_by))
    pattern, by_name = _names()
    titles = dict.fromkeys(by_name[match[1].casefold()] for match in pattern.finditer(text))
    return [title.removeprefix("term ") for title in titles if title != about.title]


@cache
def _names() -> tuple[re.Pattern[str], dict[str, str]]:
    """Return a pattern for the names of all terms, singular or plural, and the titles of the terms by name."""
    by_name = {name.casefold(): _title(term) for term in glossary.TERMS for name in term.names.split(", ")}
    longest_first = sorted((name for term in glossary.TERMS for name in term.names.split(", ")), key=len, reverse=True)
    any_name = "|".join(f"[{name[0]}{name[0].upper()}]{re.escape(name[1:])}" for name in longest_first)
    return re.compile(rf"(?<![\w.])({any_name})s?(?![\w-])"), by_name
