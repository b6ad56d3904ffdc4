"""Find the topics that have a name: fields, structures, flags, stages, registers, bits, notes, rules, and so on."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from pvhdbg.errors import UserError
from pvhdbg.views.explain.topic import FOUND_BY_WHOLE_NAME, RECORDING, TERMS
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.views.explain.topic import Explanation, Topic
    from pvhdbg.views.rows.row import Row

# Half of all names contain any given two letters, so a suggestion needs more letters.
_TOO_SHORT = 2
_MOST_NAMES = 50
"""A line with more words than this is not a list of names."""

_GROUPS = (
    "topics.structures",
    "topics.fields",
    "topics.flags",
    "topics.types",
    "stage_topics.of_stages",
    "guest_topics.of_guests",
    "machine_topics.registers",
    "machine_topics.bits",
    "machine_topics.modes",
    "machine_topics.xen_notes",
    "machine_topics.derived_values",
    "recording_topics.protocols",
    "vmm_topics.vmms",
    "instructions.topics",
    "rule_topics.of_rules",
    "term_topics.terms",
    "recording_topics.keys",
)
"""The functions that return topics, as `module.function`, in the order in which topics of one name are shown."""
INDEX = __file__.removesuffix("lookup.py") + "names.txt"
"""The names of every group. `make manual` writes this file, so that a name is found without importing every group."""


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
    if matches := _named(words):
        return tuple(topic.explain() for topic in matches)
    if "+" in words:
        from pvhdbg.views.explain import offsets, topics

        if place := offsets.parse(words):
            return (topics.of_field(offsets.field_at(place)),)
    if titled := _by_title().get(words.casefold()):
        return (titled,)
    from pvhdbg.views.explain import instructions

    known = instructions.of_words(words)
    if known:
        return (instructions.explain(known),)
    other = words.removesuffix("s") if words.endswith("s") else f"{words}s"
    return tuple(topic.explain() for topic in _named(other) if topic.kind == TERMS)


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
        from pvhdbg.views.explain import topics

        return topics.of_field(row.fields[0])
    return _of_path(row.path)


@lru_cache(2048)
def _of_path(path: str) -> Explanation | None:
    wanted = _normalized(path)
    topics_ = (topic for group in _groups_with(wanted.casefold()) for topic in _topics(group))
    topic = next((topic for topic in topics_ if wanted in topic.keys), None)
    return topic.explain() if topic else None


def names_by_kind() -> dict[str, list[str]]:
    """Return the main names of all topics, by kind."""
    kinds: dict[str, list[str]] = {}
    for topic in _all_topics():
        kinds.setdefault(topic.kind, []).append(topic.name)
    return kinds


def names() -> list[str]:
    """Return every name that `explain` accepts, for completion: fields both with and without their structure."""
    return sorted({ending for topic in _all_topics() for ending in _endings_of(topic)})


def _normalized(name: str) -> str:
    words = name.strip()
    if "[" in words:
        import re

        words = re.sub(r"\[[^]]*\]", "", words)
    words = words.removeprefix("struct ").strip(".").removeprefix("stops.")
    if words.endswith("type_name"):  # the JSON has this key next to each type
        words = words.removesuffix("_name")
    if not words[:1].isdigit():
        return words
    from pvhdbg.abi import c_integer

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


def _named(words: str) -> list[Topic]:
    """Return the topics with this name or this ending. An exact match is preferred to one that ignores case.

    The keys of a recording are in lower case, as users type: they come after what they are about, such as the GDT.
    """
    folded, groups = words.casefold(), _groups_with(words.casefold())
    endings = [(topic, ending) for group in groups for topic in _topics(group) for ending in _endings_of(topic)]
    same = [topic for topic, ending in endings if ending.casefold() == folded]
    exact = [topic for topic, ending in endings if ending == words]
    return exact if any(topic.kind != RECORDING for topic in exact) else same


def _groups_with(folded: str) -> list[str]:
    """Return the groups that have a topic with this name or ending, according to the index. It ignores case."""
    return [group for group, names in _index() if f"\t{folded}\t" in names] if "\t" not in folded else []


@cache
def _index() -> tuple[tuple[str, str], ...]:
    """Return the names in each group, each between two tabs."""
    with open(INDEX, encoding="utf-8") as file:  # noqa: PTH123 - importing pathlib takes longer than finding a name
        return tuple((line.partition("\t")[0], line) for line in file)


def groups() -> Iterator[str]:
    """Yield the groups of topics in the index: the functions in _GROUPS, that of fields once for each structure."""
    from pvhdbg.abi.roles import STRUCTS

    for group in _GROUPS:
        yield from (f"{group} {name}" for name in STRUCTS) if group == "topics.fields" else (group,)


@cache
def _topics(group: str) -> tuple[Topic, ...]:
    source, *structure = group.split()
    module, _, function = source.partition(".")
    return tuple(getattr(import_module(f"pvhdbg.views.explain.{module}"), function)(*structure))


def _all_topics() -> Iterator[Topic]:
    return (topic for group in groups() for topic in _topics(group))


def index_lines() -> Iterator[str]:
    """Yield the lines of the index."""
    for group in groups():
        endings = dict.fromkeys(ending.casefold() for topic in _topics(group) for ending in _endings_of(topic))
        yield "\t".join((group, *endings, "\n"))


@cache
def _endings_of(topic: Topic) -> tuple[str, ...]:
    """Return the topic's full names and their endings, except bare numbers, which name e820 types and notes."""
    if topic.kind in FOUND_BY_WHOLE_NAME:
        return tuple(dict.fromkeys(topic.keys))
    return tuple(dict.fromkeys(ending for key in topic.keys for ending in _endings_of_key(key.split("."))))


def _endings_of_key(parts: list[str]) -> Iterator[str]:
    yield ".".join(parts)
    yield from (".".join(parts[at:]) for at in range(1, len(parts)) if not parts[at].isdigit())


@cache
def _by_title() -> dict[str, Explanation]:
    """Return the explanations by title; every title is unique. Building this takes a few milliseconds."""
    return {about.title.casefold(): about for about in (topic.explain() for topic in _all_topics())}
