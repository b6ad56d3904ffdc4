"""The type of a term in the glossary."""

from __future__ import annotations

from pvhdbg.named_tuple import NamedTuple


class Term(NamedTuple):
    """`names` is the term and its synonyms, separated by commas. `meaning` is a phrase, `details` are sentences."""

    names: str
    meaning: str
    details: str
    source: str = ""
