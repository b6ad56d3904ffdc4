"""The types of explanations, and the kinds of topics. This module imports nothing that takes long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

STRUCTURES, FIELDS, FLAGS, TYPES = "structures", "fields", "flags", "e820 types"
RECORDING, TERMS, INSTRUCTIONS = "keys of a recording", "terms", "instructions"
FOUND_BY_WHOLE_NAME = (RECORDING, TERMS, INSTRUCTIONS)
"""The kinds of topics whose names are found only as a whole; other names are also found by their ending after a dot."""


class Explanation(NamedTuple):
    """The explanation of a topic. A part that does not apply is empty.

    `meaning` is a phrase, `details` are paragraphs. `values` is a table of named values, of a register's bits or of a
    structure's fields. Its columns are the value, bit or offset; the name; and the meaning.
    """

    title: str
    ctype: str = ""
    where: str = ""
    meaning: str = ""
    written_by: str = ""
    read_by: str = ""
    source: str = ""
    details: tuple[str, ...] = ()
    values: tuple[tuple[str, str, str], ...] = ()


class Topic(NamedTuple):
    """Something that can be explained. `name` is shown in lists, `keys` are its full names, whose parts have dots."""

    kind: str
    name: str
    keys: tuple[str, ...]
    explain: Callable[[], Explanation]


class Term(NamedTuple):
    """A term of the glossary. `names` is the term and its synonyms, separated by commas.

    `meaning` is a phrase, `details` are sentences.
    """

    names: str
    meaning: str
    details: str
    source: str = ""
