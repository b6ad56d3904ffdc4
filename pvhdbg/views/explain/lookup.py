"""Find the topics that have a name: fields, structures, flags, stages, registers, bits, notes, rules, and so on."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from pvhdbg.abi import c_integer
from pvhdbg.errors import UserError
from pvhdbg.views.explain import (
    guest_topics,
    instructions,
    machine_topics,
    offsets,
    recording_topics,
    stage_topics,
    term_topics,
    topics,
    vmm_topics,
)
from pvhdbg.views.explain.topics import Explanation, Topic
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.views.rows.row import Row

# Half of all names contain any given two letters, so a suggestion needs more letters.
_TOO_SHORT = 2
_MOST_NAMES = 50
"""A line with more words than this is not a list of names."""
_RULE_CODE = re.compile("PVH[0-9]", re.IGNORECASE)
_INDEX = re.compile(r"\[[^]]*\]")


def explain(name: str) -> tuple[Explanation, ...]:
    """Return the explanations of all topics with this name.

    A name is a topic's full name or its ending after a dot: `memmap_paddr`, `hdr.version`, `modules[1].paddr`,
    `CR0.PE`. It can also be the offset of a field, `start_info+0x28`, or a title, `stage kernel`. An exact match is
    preferred to a match that ignores case.

    :raise UserError: if no topic has the name; the hint suggests similar names.
    """
    explanations = _find(name)
    if not explanations:
        raise _unknown(name)
    return explanations


def _find(name: str) -> tuple[Explanation, ...]:
    """Return the explanations of all topics with this name, or an empty tuple.

    :raise UserError: if the name is an offset past the end of a structure.
    """
    words = _normalized(name)
    with_rules = bool(_RULE_CODE.match(words))
    matches = _by_ending(with_rules=with_rules).get(words)
    matches = matches or _by_folded_ending(with_rules=with_rules).get(words.casefold())
    if matches:
        return tuple(topic.explain() for topic in matches)
    place = offsets.parse(words)
    if place:
        return (topics.of_field(offsets.field_at(place)),)
    titled = _by_title().get(words.casefold())
    if titled:
        return (titled,)
    known = instructions.of_words(words)
    return (instructions.explain(known),) if known else ()


def split_names(line: str) -> list[str]:
    """Split a line into names. A name may contain spaces (`direct map`), so a whole line that is a name stays whole.

    :raise UserError: if neither the line nor each of its words is a name.
    """
    words = line.split()
    if len(words) < 2 or len(words) > _MOST_NAMES or _find(line):
        return [line]
    unknown = [word for word in words if not _find(word)]
    if unknown:
        is_one_name = len(unknown) == len(words) or any(" " in name for name in _similar(line))
        raise _unknown(line if is_one_name else unknown[0])
    return words


@lru_cache(2048)
def is_name(name: str) -> bool:
    """Return whether `explain` accepts the name."""
    try:
        return bool(_find(name))
    except UserError:
        return False


def of_row(row: Row) -> Explanation | None:
    """Return the explanation of the field or value in a row, or None if it has no explanation."""
    if len(row.fields) == 1:
        return topics.of_field(row.fields[0])
    topic = _by_full_name().get(_normalized(row.path))
    return topic.explain() if topic else None


def names_by_kind() -> dict[str, list[str]]:
    """Return the main names of all topics, by kind."""
    kinds: dict[str, list[str]] = {}
    for topic in _topics():
        kinds.setdefault(topic.kind, []).append(topic.name)
    return kinds


def names() -> list[str]:
    """Return every name that `explain` accepts, for completion: fields both with and without their structure."""
    return sorted(set(_by_ending()))


def _normalized(name: str) -> str:
    words = _INDEX.sub("", name.strip()).removeprefix("struct ").strip(".").removeprefix("stops.")
    if words.endswith("type_name"):  # the JSON has this key next to each type
        words = words.removesuffix("_name")
    number = c_integer.parse(words)
    return words if number is None else str(number)


def _unknown(name: str) -> UserError:
    *others, last = [f"`{other}`" for other in _similar(name)] or [""]
    meant = f"{', '.join(others)} or {last}" if others else last
    hint = f"did you mean {meant}?" if meant else "run `explain` without a name to list all names"
    return UserError(f"unknown name: {text.quoted(name)}", hint)


def _similar(name: str) -> list[str]:
    """Return up to three names that contain `name` or are spelled similarly."""
    from difflib import get_close_matches

    wanted = _normalized(name)[: text.SHORT].casefold()
    known = {candidate.casefold(): candidate for candidate in names()}
    containing = sorted((other for other in known if wanted in other), key=len) if len(wanted) > _TOO_SHORT else []
    return [known[other] for other in containing[:3] or get_close_matches(wanted, known, 3)]


@cache
def _topics(*, with_rules: bool = True) -> tuple[Topic, ...]:
    """Return all topics. Those of the rules import every rule, which takes longer than the rest of `explain`."""
    return (
        *topics.structures(),
        *topics.fields(),
        *topics.flags(),
        *topics.types(),
        *stage_topics.of_stages(),
        *guest_topics.of_guests(),
        *machine_topics.registers(),
        *machine_topics.bits(),
        *machine_topics.modes(),
        *machine_topics.xen_notes(),
        *machine_topics.derived_values(),
        *recording_topics.protocols(),
        *vmm_topics.vmms(),
        *recording_topics.keys(),
        *instructions.topics(),
        *(_of_rules() if with_rules else ()),
        *term_topics.terms(),
    )


def _of_rules() -> Iterator[Topic]:
    from pvhdbg.views.explain import rule_topics

    return rule_topics.of_rules()


@cache
def _by_full_name() -> dict[str, Topic]:
    """Return the topics by full name. If two topics have the same name, the first topic counts."""
    return {key: topic for topic in reversed(_topics()) for key in topic.keys}


@cache
def _by_ending(*, with_rules: bool = True) -> dict[str, list[Topic]]:
    """Return the topics by full name and by each ending of the name after a dot."""
    endings: dict[str, list[Topic]] = {}
    for topic in _topics(with_rules=with_rules):
        for ending in dict.fromkeys(ending for key in topic.keys for ending in _endings_of(key, topic.kind)):
            endings.setdefault(ending, []).append(topic)
    return endings


def _endings_of(key: str, kind: str) -> list[str]:
    """Return the key and its endings, except bare numbers, which name e820 types and notes."""
    if kind in (recording_topics.RECORDING, term_topics.TERMS, instructions.INSTRUCTIONS):
        return [key]
    parts = key.split(".")
    return [key, *(".".join(parts[at:]) for at in range(1, len(parts)) if not parts[at].isdigit())]


@cache
def _by_folded_ending(*, with_rules: bool) -> dict[str, list[Topic]]:
    folded: dict[str, list[Topic]] = {}
    for ending, matches in _by_ending(with_rules=with_rules).items():
        folded.setdefault(ending.casefold(), []).extend(matches)
    return folded


@cache
def _by_title() -> dict[str, Explanation]:
    """Return the explanations by title; every title is unique. Building this takes a few milliseconds."""
    return {about.title.casefold(): about for about in (topic.explain() for topic in _topics())}
