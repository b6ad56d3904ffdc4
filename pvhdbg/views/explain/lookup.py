"""Any name looked up: a field, a structure, a stage, a bit, a note, a rule, a word. One text for all that explain."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from pvhdbg.errors import UserError
from pvhdbg.views.explain import (
    machine_topics,
    offsets,
    recording_topics,
    rule_topics,
    stage_topics,
    topics,
    word_topics,
)
from pvhdbg.views.explain.topics import Explanation, Topic
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from pvhdbg.views.rows.row import Row

# Two letters are in half of all names.
_ANYWHERE = 2
_INDEX = re.compile(r"\[[^]]*\]")


def explain(name: str) -> tuple[Explanation, ...]:
    """All that is called that, in whole or from a dot on: `memmap_paddr`, `hdr.version`, `modules[1].paddr`, `CR0.PE`;
    the field at an offset: `start_info+0x28`; or what has that title: `stage kernel`.

    What is written exactly so comes before what differs in case.

    :raise UserError: if nothing is; its hint names what is nearest.
    """
    words = _normal(name)
    found = _endings().get(words) or _folded().get(words.casefold())
    if found is None:
        place = offsets.parse(words)
        if place:
            return (topics.of_field(offsets.field_at(place)),)
        titled = _titled().get(words.casefold())
        if titled:
            return (titled,)
        raise UserError(f"nothing is called {text.quoted(name)}", _hint(words[: text.SHORT]))
    return tuple(each.explain() for each in found)


def of_row(row: Row) -> Explanation | None:
    """What a row of a view is about; null if that has no explanation."""
    if len(row.fields) == 1:
        return topics.of_field(row.fields[0])
    found = _whole().get(_normal(row.path))
    return found.explain() if found else None


def listed() -> dict[str, list[str]]:
    """The names of all topics, by kind."""
    kinds: dict[str, list[str]] = {}
    for topic in _topics():
        kinds.setdefault(topic.kind, []).append(topic.name)
    return kinds


def names() -> list[str]:
    """Everything that completion can offer: each topic's names, and fields also without their structure."""
    return sorted(set(_endings()))


def _normal(name: str) -> str:
    words = _INDEX.sub("", name.strip()).removeprefix("struct ").strip(".").removeprefix("stops.")
    if words.endswith("type_name"):  # what JSON adds to a type
        words = words.removesuffix("_name")
    try:
        return str(int(words, 0))
    except ValueError:
        return words


def _hint(name: str) -> str:
    from difflib import get_close_matches

    wanted, known = name.casefold(), {each.casefold(): each for each in names()}
    holding = sorted((each for each in known if wanted in each), key=len) if len(wanted) > _ANYWHERE else []
    near = [known[each] for each in holding[:3] or get_close_matches(wanted, known, 3)]
    return f"near to it: {', '.join(near)}" if near else "`explain` lists what there is"


@cache
def _topics() -> tuple[Topic, ...]:
    return (
        *topics.structures(),
        *topics.fields(),
        *topics.flags(),
        *topics.types(),
        *stage_topics.of_stages(),
        *machine_topics.registers(),
        *machine_topics.bits(),
        *machine_topics.modes(),
        *machine_topics.xen_notes(),
        *machine_topics.document(),
        *recording_topics.protocols(),
        *recording_topics.keys(),
        *rule_topics.of_rules(),
        *word_topics.words(),
    )


@cache
def _whole() -> dict[str, Topic]:
    """Topics by whole names; the first wins."""
    return {key: topic for topic in reversed(_topics()) for key in topic.keys}


@cache
def _endings() -> dict[str, list[Topic]]:
    """Topics by every ending of their names that begins after a dot."""
    endings: dict[str, list[Topic]] = {}
    for topic in _topics():
        for ending in dict.fromkeys(ending for key in topic.keys for ending in _endings_of(key, topic.kind)):
            endings.setdefault(ending, []).append(topic)
    return endings


def _endings_of(key: str, kind: str) -> list[str]:
    """A number alone is no ending: it would be taken for a type or a note."""
    if kind in (recording_topics.RECORDING, word_topics.WORDS):
        return [key]
    parts = key.split(".")
    return [key, *(".".join(parts[at:]) for at in range(1, len(parts)) if not parts[at].isdigit())]


@cache
def _folded() -> dict[str, list[Topic]]:
    folded: dict[str, list[Topic]] = {}
    for ending, found in _endings().items():
        folded.setdefault(ending.casefold(), []).extend(found)
    return folded


@cache
def _titled() -> dict[str, Explanation]:
    """By title, which no two have. It takes a few milliseconds to make."""
    return {told.title.casefold(): told for told in (topic.explain() for topic in _topics())}
