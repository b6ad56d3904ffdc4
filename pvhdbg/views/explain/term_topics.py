"""The glossary's terms as topics, and the search for terms in a text."""

from __future__ import annotations

import re
from functools import cache, partial
from typing import TYPE_CHECKING

from pvhdbg.views.explain import glossary
from pvhdbg.views.explain.topic import TERMS, Explanation, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.views.explain.topic import Term

_TOO_GENERAL = (
    *("64-bit", "PVH", "boot data", "command line", "guest", "handover", "loader", "question", "rule", "stage", "stop"),
    *("verdict", "virtual"),
)
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
    folded = text.casefold()
    names = [name for name in _specific_names() if name.casefold() in folded]
    if not names:
        return []
    by_name = _by_name()
    used = dict.fromkeys(by_name[match[1].casefold()] for match in _any_of(names).finditer(text))
    return [name for name in used if name != about.title.removeprefix("term ")]


def _any_of(names: list[str]) -> re.Pattern[str]:
    """Return a pattern that matches each of the names, also in the plural. Compiling one for all names takes longer."""
    any_name = "|".join(f"[{name[0]}{name[0].upper()}]{re.escape(name[1:])}" for name in names)
    return re.compile(rf"(?<![\w.])({any_name})s?(?![\w-])")


@cache
def _by_name() -> dict[str, str]:
    """Return the term of each name, in lower case: of the term itself and of its synonyms."""
    names = [term.names.split(", ") for term in glossary.TERMS]
    return {name.casefold(): synonyms[0] for synonyms in names for name in synonyms}


@cache
def _specific_names() -> list[str]:
    """Return the names that `mentioned` finds, the longest first, because a long name may contain a short one."""
    names = {name for term in glossary.TERMS for name in term.names.split(", ")}
    return sorted(names.difference(_TOO_GENERAL), key=len, reverse=True)
